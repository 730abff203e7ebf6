import type { AbortOptions } from '../../lib/types.ts';
import type { TopLogits } from '../../proofs/logits.ts';
import type { AllowedTokens } from '../engine.ts';

/** One lane's share of an evaluation call. */
export interface LaneCall {
  readonly lane: number;
  readonly tokens: readonly number[];
  /** Index of the first of `tokens` after which logits are wanted; `tokens.length` wants none. */
  readonly logitsFrom: number;
  /**
   * Which tokens may come after the `index`-th wanted token; null: all. Called once for each, in order, after what the
   * call before gave was done with. @default all
   */
  readonly allowedAt?: ((index: number) => AllowedTokens | null) | undefined;
  /**
   * True if no computation may be of this call's token alone (protocol section 2): if it has one token, and no lane
   * beside its own is in the same engine call, a companion is computed behind it and leaves the history again.
   * @default false
   */
  readonly companion?: boolean | undefined;
}

export interface LanesInit {
  /** Independent histories, numbered from 0. */
  readonly lanes: number;
  readonly threads: number;
  /** Most tokens per evaluation call. */
  readonly batch: number;
  /** Tokens that each lane can hold, companions included. */
  readonly context: number;
  /** @default as the weights' `flash` says */
  readonly flash?: boolean | undefined;
  /** Numbers of eight bits in the KV cache. @default false: 16 */
  readonly coarseKv?: boolean | undefined;
}

/** Histories over one set of weights. One call at a time. */
export interface Lanes {
  /**
   * Evaluates all `calls` (distinct lanes, at most `batch` tokens together) in one engine call; logits per call and
   * wanted token. What it saves depends on the lanes: only those whose numbers follow on each other are computed
   * together, the rest one after another.
   */
  evaluate(calls: readonly LaneCall[], topK: number): Promise<readonly (readonly TopLogits[])[]>;
  /** Tokens in the lane's history. */
  length(lane: number): number;
  /** Drops the history from token `from` on. */
  erase(lane: number, from: number): Promise<void>;
  /**
   * Makes the history of `to` the first `length` tokens of that of `from`. False if this release of the library cannot;
   * then `to` is empty.
   */
  copy(from: number, to: number, length: number): Promise<boolean>;
  dispose(): Promise<void>;
}

export interface PoolInit {
  readonly threads: number;
  /** Most tokens of a text. */
  readonly context: number;
}

/** Turns the tokens of a text into one vector, as the file's pooling says. One call at a time. */
export interface Pool {
  /** The whole text in one engine call: in blocks, the engine gives other vectors without an error. */
  embed(tokens: readonly number[]): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** What the engine knows of a file's tokens. */
export interface Vocabulary {
  /** Token ids of `text` as the beginning of a text, special tokens parsed, nothing added. */
  tokenize(text: string): number[];
  /** True for an end-of-generation token. */
  isStop(token: number): boolean;
}

/** A model's weights in memory. */
export interface Weights extends Vocabulary {
  /** Layers on the GPU; 0 on the CPU. */
  readonly gpuLayers: number;
  /** True if the architecture can use flash attention; then it is used. */
  readonly flash: boolean;
  /** True if a history holds all of its tokens and can be cut anywhere: no sliding window, nothing recurrent. */
  readonly isCuttable: boolean;
  /** True if the last token can leave a history again, which then is as before: nothing recurrent. */
  readonly isLastErasable: boolean;
  openLanes(init: LanesInit, options?: AbortOptions): Promise<Lanes>;
  /** Of a model that embeds texts. */
  openPool(init: PoolInit, options?: AbortOptions): Promise<Pool>;
  dispose(): Promise<void>;
}
