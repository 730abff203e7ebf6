import type { AbortOptions, ModelId } from '../lib/types.ts';
import type { TopLogits } from '../proofs/logits.ts';
import type { Exec, Input } from '../protocol/messages.ts';

/** Facts of a model file, read from the file itself. */
export interface ModelFacts {
  readonly id: ModelId;
  readonly path: string;
  readonly name: string;
  readonly arch: string;
  readonly quant: string;
  /** Most tokens of prompt and answer together that this engine was opened for. */
  readonly context: number;
  readonly vocab: number;
  /** End-of-generation ids, ascending. */
  readonly stops: readonly number[];
}

/**
 * Turns inputs into token ids and token ids into bytes, exactly as protocol sections 2 and 4.2 say. Needs no weights.
 */
export interface Tokenizer {
  readonly facts: ModelFacts;
  /**
   * Prompt tokens of `input` (section 2): refuse forged turns, render the file's template, tokenise, BOS.
   * @throws QvacError E_BAD_INPUT where the input had to be refused or the template raises; E_CONTEXT for one that
   * cannot
   * fit into the context, without the work of finding out by how much
   */
  encodePrompt(input: Input): readonly number[];
  /** The bytes of one token; empty for a special token (section 4.2). */
  bytesOf(token: number): Uint8Array;
  /** The text of a whole answer: all tokens' bytes as one UTF-8 stream (section 4.2). */
  decode(tokens: readonly number[]): string;
  dispose(): Promise<void>;
}

export type Schedule = 'alone' | 'prefill';

/** What the self-test of this model, class and engine release found out (protocol section 2). */
export interface SelfTestResult {
  /** The class that the test establishes; `threads` 0 where bits do not depend on their number. */
  readonly exec: Exec;
  /** Schedules that give this class's bits. */
  readonly sameBits: readonly Schedule[];
}

export interface EngineInit {
  readonly modelPath: string;
  readonly modelId: ModelId;
  readonly name?: string | undefined;
  /** Tokens of prompt and answer together. @default the model's trained context, at most 8192 */
  readonly context?: number | undefined;
  /** Jobs decoded at the same time. @default 1 */
  readonly slots?: number | undefined;
  /** @default one less than the cores, at least 1 */
  readonly threads?: number | undefined;
  /** Most tokens per evaluation call. @default 63 */
  readonly batch?: number | undefined;
  /** @default 'auto': the GPU where the installed build has one */
  readonly gpu?: 'auto' | 'off' | undefined;
  /** Most jobs that wait for a slot. @default 8 */
  readonly queue?: number | undefined;
  /** Folder where self-test results are kept. */
  readonly cacheDir: string;
  /** Unload the weights after so long without a job; null keeps them. @default null */
  readonly idleUnloadMs?: number | null | undefined;
}

export interface OpenOptions extends AbortOptions {
  /** The class whose schedule the session keeps, for re-execution. @default the engine's own at this moment */
  readonly exec?: Exec | undefined;
}

/** One loaded model with its slots. */
export interface Engine {
  readonly facts: ModelFacts;
  readonly tokenizer: Tokenizer;
  readonly device: { readonly backend: Exec['backend']; readonly device: string /** bytes */; readonly memory: number };
  /** The class of the jobs that start now: the true threads until the self-test is done, then its result. */
  readonly exec: Exec;
  /** Null until the self-test is done; there from the start where an earlier run left its result on disk. */
  readonly selfTest: SelfTestResult | null;
  /** Runs the self-test, or takes its result from disk. Idempotent. */
  runSelfTest(options?: AbortOptions): Promise<SelfTestResult>;
  /**
   * Schedules by which this engine gives the bits of jobs of class `exec`, another machine's perhaps: of its own class
   * what
   * is known so far, of one that differs only in threads, sequences or a smaller batch what a test of that class shows
   * (seconds, once). Empty where it cannot.
   */
  reproduces?(exec: Exec, options?: AbortOptions): Promise<readonly Schedule[]>;
  /** Tokens per second of a short decode, measured once. */
  measureSpeed(options?: AbortOptions): Promise<number>;
  readonly slots: { readonly total: number; readonly used: number; readonly waiting: number };
  /**
   * Takes a slot, waiting in line for one.
   * @throws QvacError E_BUSY where the line is full
   */
  open(options?: OpenOptions): Promise<EngineSession>;
  dispose(): Promise<void>;
}

/** One job's empty history in a slot. Calls come one at a time; every one stops soon after `signal` aborts. */
export interface EngineSession {
  /** The provider's schedule: the prompt from its first token in blocks of `batch`. Logits after its last token. */
  prefill(prompt: readonly number[], topK: number, options?: AbortOptions): Promise<TopLogits>;
  /** One more token in a call of its own (with a companion where the class says so). Logits after it. */
  decode(token: number, topK: number, options?: AbortOptions): Promise<TopLogits>;
  /**
   * A verifier's `prefill` schedule: prompt and answer as one run in blocks of `batch`; logits before each answer
   * token,
   * so `result[i]` is what token `i` was drawn from.
   */
  replay(
    prompt: readonly number[],
    answer: readonly number[],
    topK: number,
    options?: AbortOptions,
  ): Promise<readonly TopLogits[]>;
  /** Gives the slot back. Idempotent. */
  release(): Promise<void>;
}
