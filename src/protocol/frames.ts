import type { Mode, PayFrom } from './codes.ts';
import type { Input } from './input/input.ts';
import type { SamplerSettings } from './layouts/offer.ts';

/** Every frame of sections 3, 4, 4.9, 7.1 and 9, `{t: type, …}`. On the wire: `u32 length ‖ cbor(frame)`. */
export type Frame =
  | OfferFrame
  | {
      readonly t: 'accept';
      readonly promptTokens: readonly number[];
      readonly inputDigest: Uint8Array;
      /** The rendering's last 256 code points. */
      readonly tail: string;
    }
  | { readonly t: 'tokens'; readonly i: number; readonly tokens: readonly number[]; readonly text: string }
  | VectorsFrame
  | SignedFrame<'card'>
  | SignedFrame<'quote'>
  | SignedFrame<'head'>
  | SignedFrame<'opening'>
  | SignedFrame<'verdict'>
  | SignedFrame<'ack'>
  | SignedFrame<'terms'>
  | AskFrame
  | ProposeFrame
  | RouteFrame
  | PickedFrame
  | { readonly t: 'receipt'; readonly receipt: Uint8Array }
  | { readonly t: 'audit'; readonly receipt: Uint8Array }
  | { readonly t: 'challenge'; readonly secret: Uint8Array }
  | { readonly t: 'dial'; readonly port: number }
  | { readonly t: 'dialled'; readonly addr: string; readonly ok: boolean }
  | { readonly t: 'beat' }
  | ProgressFrame
  | { readonly t: 'busy' }
  | { readonly t: 'stop' }
  | { readonly t: 'error'; readonly code: string; readonly message: string };

/** Vectors of an embedding job (section 4.9), from text `i` on. */
export interface VectorsFrame {
  readonly t: 'vectors';
  readonly i: number;
  /** How many of the prompt tokens are each text's. */
  readonly counts: readonly number[];
  /** The numbers of each vector: float32, big-endian, one vector after another. */
  readonly values: Uint8Array;
}

/** A signed message as a frame of its own. */
export interface SignedFrame<T extends string> {
  readonly t: T;
  readonly body: Uint8Array;
  readonly sig: Uint8Array;
}

/** How many tokens of the prompt are computed, in the place of a `beat` (section 4). */
export interface ProgressFrame {
  readonly t: 'progress';
  readonly done: number;
  readonly total: number;
}

/** The first frame of a job (section 4). */
export interface OfferFrame extends SignedFrame<'offer'> {
  readonly input: Input;
  /** Empty without settings. */
  readonly extra: Uint8Array;
  /** The rules of a grammar, unchecked: `parseGrammar` refuses what is `bad-input`. Null without one. */
  readonly grammar: unknown;
}

/** A client's request for a quote (section 3). */
export interface AskFrame {
  readonly t: 'ask';
  readonly modelId: Uint8Array;
  readonly requestDigest: Uint8Array;
  readonly mode: Mode;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly pay: PayFrom;
}

/** A client's request for the terms of a channel (section 9). Lamports; `expiresAt` in unix seconds. */
export interface ProposeFrame {
  readonly t: 'propose';
  readonly payer: Uint8Array;
  readonly deposit: number;
  readonly window: number;
  readonly expiresAt: number;
}

/** A person's request to a router (section 4.0). `maxPrice` in lamports, `timeout` in ms. */
export interface RouteFrame {
  readonly t: 'route';
  readonly input: Input;
  readonly model: string;
  readonly sampler: RouteSampler;
  /** The rules of a grammar, as in an offer. Absent without one. */
  readonly grammar?: unknown;
  readonly seed: Uint8Array;
  readonly commit: Uint8Array;
  readonly count: number;
  readonly mode: RouteMode;
  readonly verify: 'sampling' | 'full';
  readonly maxPrice: number;
  readonly timeout: number;
}

/** The sampler settings with `extra` itself instead of its digest, without what it would have of a grammar. */
export interface RouteSampler extends SamplerSettings {
  readonly extra: Uint8Array;
}

/** none, merkle or fraud */
export type RouteMode = 0 | 1 | 2;

/** The provider that a router turned to (section 4.0). */
export interface PickedFrame {
  readonly t: 'picked';
  readonly offer: Uint8Array;
  readonly offerSig: Uint8Array;
  readonly quote: Uint8Array | null;
  readonly quoteSig: Uint8Array | null;
  readonly card: Uint8Array;
  readonly cardSig: Uint8Array;
}

export type FrameType = Frame['t'];
export type FrameOf<T extends FrameType> = Extract<Frame, { readonly t: T }>;
