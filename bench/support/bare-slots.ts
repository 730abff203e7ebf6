import { getLlama, LlamaLogLevel, type Token } from 'node-llama-cpp';

const top20 = {
  generateNext: { logits: true, options: { temperature: 1, topK: 20, topP: 1, minP: 0, seed: 1 } },
} as const;

/** Several answers at once by the Node binding alone, 20 logits read after each step. */
export interface BareSlots {
  /** Feeds the prompt to the first `jobs` sequences. */
  prefill(jobs: number, prompt: readonly number[]): Promise<void>;
  /** `steps` greedy steps of all of these, each step of them all in one engine call. */
  decode(jobs: number, steps: number): Promise<void>;
  dispose(): Promise<void>;
}

export async function openBareSlots(modelPath: string, slots: number, contextSize: number): Promise<BareSlots> {
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
    contextSize,
    batchSize: 128,
    sequences: slots,
    threads: 1,
    flashAttention: true,
  });
  const sequences = Array.from({ length: slots }, () => context.getSequence());
  const tokens = sequences.map((_, at) => (100 + at) as Token);
  return {
    async prefill(jobs, prompt) {
      for (const sequence of sequences.slice(0, jobs)) {
        await sequence.clearHistory();
        await sequence.controlledEvaluate(prompt.map((token) => token as Token));
      }
    },
    async decode(jobs, steps) {
      for (let step = 0; step < steps; step++)
        await Promise.all(
          sequences.slice(0, jobs).map(async (sequence, at) => {
            const [output] = await sequence.controlledEvaluate([[tokens[at] ?? (0 as Token), top20]]);
            tokens[at] = [...(output?.next.logits?.keys() ?? [])][0] ?? tokens[at] ?? (0 as Token);
          }),
        );
    },
    dispose: () => model.dispose(),
  };
}
