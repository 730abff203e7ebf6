import type { AbortOptions, ModelId } from '../lib/types.ts';
import type { Vocabulary } from '../proofs/grammar/vocabulary.ts';
import type { TopLogits } from '../proofs/logits.ts';
import type { Exec, GrammarRules, Input } from '../protocol/messages.ts';

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
  /** Numbers of a vector, if the model embeds texts; it answers nothing then. @default null */
  readonly dimensions?: number | null | undefined;
}

/** A prompt as the model gets it (protocol sections 2 and 4.6). */
export interface Prompt {
  /** Tokens of the rendering, and behind them those of the input's continuation. */
  readonly tokens: readonly number[];
  /** How many of `tokens` the rendering has. */
  readonly renderingCount: number;
  /** The rendering's last 256 characters, so that a reader of the answer knows what is open. */
  readonly tail: string;
  /** Of texts to embed (section 4.9): how many of `tokens` are each text's. */
  readonly counts?: readonly number[] | undefined;
}

export interface EncodeOptions {
  /** The continuation is a whole answer to be scored (section 4.7): a stop may end it. @default false */
  readonly isScored?: boolean | undefined;
  /** The answer's grammar, in which the continuation has to be. @default null */
  readonly grammar?: GrammarRules | null | undefined;
}

/** Turns inputs into token ids and token ids into bytes, as protocol sections 2 and 4.2 say. Needs no weights. */
export interface Tokenizer {
  readonly facts: ModelFacts;
  /**
   * The prompt of `input` (section 2): renders the file's template with every control text broken, tokenises piece by
   * piece, puts BOS in front if the file asks for it. Of an input to embed (section 4.9) the tokens of all texts.
   * @throws QvacError E_BAD_INPUT for an input that has to be refused or that the template refuses; E_CONTEXT for one
   * that cannot fit into the context, before the work of finding out by how much
   */
  encodePrompt(input: Input, options?: EncodeOptions): Prompt;
  /** The bytes that each token adds to the text: none for control tokens, stops and unused ones (section 2). */
  readonly vocabulary: Vocabulary;
  bytesOf(token: number): Uint8Array;
  /** The same with the texts of control tokens that are not stops: the text of a job with `markers` (section 4.1). */
  markedBytesOf(token: number): Uint8Array;
  /** The text of a whole answer: all tokens' bytes as one UTF-8 stream (section 4.2). */
  decode(tokens: readonly number[]): string;
  dispose(): Promise<void>;
}

/**
 * How an answer's tokens are put into calls behind the prompt, which always comes in blocks of `promptBatch`: one token
 * per call (`alone`), or in blocks of `batch` (`prefill`).
 */
export type Schedule = 'alone' | 'prefill';

/** What the self-test of this model, class and engine release found out (protocol section 2). */
export interface SelfTestResult {
  /** The class that the test establishes; `threads` 0 if bits do not depend on their number. */
  readonly exec: Exec;
  /** Schedules that give this class's bits. */
  readonly sameBits: readonly Schedule[];
}

export interface EngineInit {
  readonly modelPath: string;
  readonly modelId: ModelId;
  readonly name?: string | undefined;
  /**
   * Tokens of prompt and answer together. @default the model's trained context, at most 32768 and what memory allows
   */
  readonly context?: number | undefined;
  /**
   * Jobs at the same time; 'auto': 4, or fewer if memory lacks; `upTo`: as many, or fewer before the context is
   * shortened. @default 1
   */
  readonly slots?: number | 'auto' | { readonly upTo: number } | undefined;
  /** Jobs whose tokens may share a call: a part of the class. @default one for each slot */
  readonly sequences?: number | undefined;
  /** @default one less than the cores, at least 1 */
  readonly threads?: number | undefined;
  /** Tokens per evaluation call of the prompt. @default 128 */
  readonly promptBatch?: number | undefined;
  /** Most tokens per evaluation call of anything else. @default 63 */
  readonly batch?: number | undefined;
  /**
   * For measurements of cheats: a KV cache of eight bits, while the class declares 16 as ever. @default false
   */
  readonly coarseKv?: boolean | undefined;
  /** False computes without flash attention: another class. @default true where the model has it */
  readonly flash?: boolean | undefined;
  /** @default 'auto': the GPU if the installed build has one */
  readonly gpu?: 'auto' | 'off' | undefined;
  /**
   * Most jobs that wait for a slot. @default as many as the measured speed answers before a client gives up
   */
  readonly queue?: number | undefined;
  /**
   * Score jobs computed at the same time (section 4.7), each with a history of its own beside those of the slots. Their
   * calls run in the pauses of other jobs, but wait no longer than 2 s each. @default 0
   */
  readonly scoreSlots?: number | undefined;
  /**
   * Prompts to keep for the next one of the same client, those in use included; 'auto': 4, or fewer if memory lacks. A
   * model with a sliding window or a recurrent state keeps none. @default 0
   */
  readonly keepPrompts?: number | 'auto' | undefined;
  /** Folder where self-test results are kept. */
  readonly cacheDir: string;
  /** Unload the weights after so long without a job; null keeps them. @default null */
  readonly idleUnloadMs?: number | null | undefined;
}

export interface OpenOptions extends AbortOptions {
  /** The class whose schedule the session keeps, for re-execution. @default the engine's own at this moment */
  readonly exec?: Exec | undefined;
  /** A score job: takes one of the `scoreSlots`. @default false */
  readonly isScore?: boolean | undefined;
  /**
   * The client that the job is for: `prefill` goes on from what the engine keeps of its earlier prompts, and the prompt
   * is kept for its later ones. @default nobody
   */
  readonly owner?: string | undefined;
}

export interface EmbedOptions extends AbortOptions {
  /** A text of a job that has begun: it waits however long the line is. @default false */
  readonly isUnderWay?: boolean | undefined;
}

export interface SlotUse {
  readonly total: number;
  readonly used: number;
  readonly waiting: number;
}

/** One loaded model with its slots. */
export interface Engine {
  readonly facts: ModelFacts;
  readonly tokenizer: Tokenizer;
  readonly device: { readonly backend: Exec['backend']; readonly device: string /** bytes */; readonly memory: number };
  /** The class of the jobs that start now: the true threads until the self-test is done, then its result. */
  readonly exec: Exec;
  /** Null until the self-test is done; there from the start if an earlier run left its result on disk. */
  readonly selfTest: SelfTestResult | null;
  /** Runs the self-test, or takes its result from disk. Idempotent. */
  runSelfTest(options?: AbortOptions): Promise<SelfTestResult>;
  /**
   * Schedules by which this engine gives the bits of jobs of class `exec`, perhaps another machine's: of its own class
   * what is known so far; of one that differs only in threads, sequences, prompt blocks or a smaller batch, what a test
   * of that class shows (seconds, once). Empty if it cannot.
   */
  reproduces?(exec: Exec, options?: AbortOptions): Promise<readonly Schedule[]>;
  /** Tokens per second of a short decode, measured once. */
  measureSpeed(options?: AbortOptions): Promise<number>;
  /** True if prompts are kept for the next question of their client. @default false */
  readonly keepsPrompts?: boolean | undefined;
  readonly slots: SlotUse;
  readonly scoreSlots: SlotUse;
  /**
   * Takes a slot, waiting in line for one.
   * @throws QvacError E_BUSY if the line is full
   */
  open(options?: OpenOptions): Promise<EngineSession>;
  /**
   * The vector of a text, as the model gives it: not normalised. Waits in line for a slot. Only of a model that embeds.
   * @param tokens with those that the model puts around a text
   * @throws QvacError E_BUSY if the line is full
   */
  embed?(tokens: readonly number[], options?: EmbedOptions): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** Which tokens may come next, as a grammar says (proofs/grammar, `GrammarMatcher`). What it throws ends the call. */
export interface AllowedTokens {
  allows(token: number): boolean;
  /** All allowed tokens if they are fewer than `most`, else `most` of them; in no promised order. */
  allowedUpTo(most: number): readonly number[];
}

export interface StepOptions extends AbortOptions {
  /** Only these tokens' logits count (section 4.1, item 1). @default all */
  readonly allowed?: AllowedTokens | null | undefined;
}

export interface PrefillOptions extends StepOptions {
  /** Tokens of the answer that came before this job (section 4.6). @default none */
  readonly continuation?: readonly number[] | undefined;
  /**
   * Guess what follows where the answer repeats its prompt or itself, and compute several tokens in a call: the same
   * bits, sooner if the guess is right. Only if the self-test found these bits equal, and without `allowed`.
   * @default false
   */
  readonly guesses?: boolean | undefined;
  /** Called after each call with the number of the rendering's tokens that are computed, if some are left. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

export interface ReplayOptions extends AbortOptions {
  /** @default 'prefill' */
  readonly schedule?: Schedule | undefined;
  /**
   * Which tokens may come at a step of the answer; null: all. Called once for each step, in order, and what it gives is
   * done with before the next call: one matcher that moves along serves all steps. @default all
   */
  readonly allowedAt?: ((step: number) => AllowedTokens | null) | null | undefined;
}

/** Tokens that did not cost an evaluation call of their own. */
export interface Savings {
  /** Tokens of the prompt that were taken from a kept one. */
  readonly reused: number;
  /** Tokens of the answer that were guessed, and how many of them came. */
  readonly guessed: number;
  readonly accepted: number;
}

/**
 * One job's empty history in a slot. Calls come one at a time; every one stops soon after `signal` aborts. Logits are
 * the largest `topK` among the allowed tokens, and all that tie with the last of them; none if no token is allowed.
 */
export interface EngineSession {
  /**
   * The provider's schedule (section 2): the rendered prompt from its first token in blocks of `promptBatch`, without
   * those that a kept prompt of the `owner` holds, then the continuation, in blocks of `batch` if the self-test found
   * that these give the bits of one token per call. Logits after the last token.
   */
  prefill(rendering: readonly number[], topK: number, options?: PrefillOptions): Promise<TopLogits>;
  /** One more token in a call of its own (with a companion if the class says so). Logits after it. */
  decode(token: number, topK: number, options?: StepOptions): Promise<TopLogits>;
  /**
   * An answer computed again, or scored (section 4.7): `result[i]` is what token `i` was drawn from. `answer` is the
   * whole answer, the continuation included.
   */
  replay(
    rendering: readonly number[],
    answer: readonly number[],
    topK: number,
    options?: ReplayOptions,
  ): Promise<readonly TopLogits[]>;
  /** What the session was spared so far. @default nothing */
  readonly savings?: Savings | undefined;
  /** Gives the slot back. Idempotent. */
  release(): Promise<void>;
}
