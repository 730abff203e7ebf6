import { getLlama, LlamaLogLevel, type Token } from 'node-llama-cpp';
import { benchContext } from './engines.ts';

const top20 = {
  generateNext: { logits: true, options: { temperature: 1, topK: 20, topP: 1, minP: 0, seed: 1 } },
} as const;
/** Tokens per call, as our engine's defaults. */
const promptBatch = 128;
const batch = 63;

/**
 * llama.cpp through its Node binding alone: the same prompt, tokens and settings as our engine, the same 20 logits after
 * each step.
 */
export interface BareLoop {
  /** Feeds the prompt in blocks, then the answer token by token, and reads each token's logits before the next call. */
  run(prompt: readonly number[], answer: readonly number[]): Promise<void>;
  /** Feeds prompt and answer in blocks; reads the same logits at the same places. */
  replay(prompt: readonly number[], answer: readonly number[]): Promise<void>;
  dispose(): Promise<void>;
}

export async function openBareLoop(modelPath: string): Promise<BareLoop> {
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    maxThreads: 0,
    logLevel: LlamaLogLevel.error,
  });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const context = await model.createContext({
    contextSize: benchContext,
    batchSize: promptBatch,
    sequences: 1,
    threads: 1,
    flashAttention: true,
  });
  const sequence = context.getSequence();
  /** Reads logits after each token from index `logitsFrom` on. */
  const feed = async (tokens: readonly number[], size: number, logitsFrom: number): Promise<void> => {
    for (let at = 0; at < tokens.length; at += size) {
      const block = tokens.slice(at, at + size) as Token[];
      await sequence.controlledEvaluate(
        block.map((token, index) => (at + index >= logitsFrom ? [token, top20] : token)),
      );
    }
  };
  const answerTo = async (prompt: readonly number[], answer: readonly number[], size: number): Promise<void> => {
    await sequence.clearHistory();
    await feed(prompt, promptBatch, prompt.length - 1);
    await feed(answer.slice(0, -1), size, 0);
  };
  return {
    run: (prompt, answer) => answerTo(prompt, answer, 1),
    replay: (prompt, answer) => answerTo(prompt, answer, batch),
    async dispose() {
      await model.dispose();
    },
  };
}
