import { getLlama, LlamaLogLevel, type Token } from 'node-llama-cpp';
import { benchContext } from './engines.ts';

const top20 = {
  generateNext: { logits: true, options: { temperature: 1, topK: 20, topP: 1, minP: 0, seed: 1 } },
} as const;
const batch = 63;

/**
 * The engine with nothing of ours around it: the same prompt, tokens and settings, the same 20 logits after each step.
 */
export interface BareLoop {
  /** Feeds the prompt, then the answer token by token, each logits being read before the next token goes in. */
  run(prompt: readonly number[], answer: readonly number[]): Promise<void>;
  /** Feeds prompt and answer in whole blocks; the same logits at the same places. */
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
    batchSize: batch,
    sequences: 1,
    threads: 1,
    flashAttention: true,
  });
  const sequence = context.getSequence();
  const prefill = async (tokens: readonly number[], logitsFrom: number): Promise<void> => {
    await sequence.clearHistory();
    for (let at = 0; at < tokens.length; at += batch) {
      const block = tokens.slice(at, at + batch) as Token[];
      await sequence.controlledEvaluate(
        block.map((token, index) => (at + index >= logitsFrom ? [token, top20] : token)),
      );
    }
  };
  return {
    async run(prompt, answer) {
      await prefill(prompt, prompt.length - 1);
      for (const token of answer.slice(0, -1)) await sequence.controlledEvaluate([[token as Token, top20]]);
    },
    replay: (prompt, answer) => prefill([...prompt, ...answer.slice(0, -1)], prompt.length - 1),
    async dispose() {
      await model.dispose();
    },
  };
}
