import type { Input, SamplerSettings } from './messages.ts';

/** Every frame of sections 3 and 4, `{t: type, …}`. On the wire: `u32 length ‖ cbor(frame)`. */
export type Frame =
  | { readonly t: 'offer'; readonly body: Uint8Array; readonly sig: Uint8Array; readonly input: Input }
  | { readonly t: 'accept'; readonly promptTokens: readonly number[]; readonly inputDigest: Uint8Array }
  | { readonly t: 'tokens'; readonly i: number; readonly tokens: readonly number[]; readonly text: string }
  | SignedFrame<'card'>
  | SignedFrame<'quote'>
  | SignedFrame<'head'>
  | SignedFrame<'opening'>
  | SignedFrame<'verdict'>
  | SignedFrame<'cancel'>
  | {
      readonly t: 'ask';
      readonly modelId: Uint8Array;
      readonly requestDigest: Uint8Array;
      readonly promptTokens: number;
      readonly maxTokens: number;
    }
  | RouteFrame
  | PickedFrame
  | { readonly t: 'receipt'; readonly receipt: Uint8Array }
  | { readonly t: 'audit'; readonly receipt: Uint8Array }
  | { readonly t: 'challenge'; readonly secret: Uint8Array }
  | { readonly t: 'beat' }
  | { readonly t: 'busy' }
  | { readonly t: 'stop' }
  | { readonly t: 'error'; readonly code: string; readonly message: string };

/** A signed message as a frame of its own. */
export interface SignedFrame<T extends string> {
  readonly t: T;
  readonly body: Uint8Array;
  readonly sig: Uint8Array;
}

/** A person's request to a router (section 4.0). `maxPrice` in lamports, `timeout` in ms. */
export interface RouteFrame {
  readonly t: 'route';
  readonly input: Input;
  readonly model: string;
  readonly sampler: SamplerSettings;
  readonly seed: Uint8Array;
  readonly commit: Uint8Array;
  readonly count: number;
  readonly mode: 'merkle' | 'none';
  readonly verify: 'sampling' | 'full';
  readonly maxPrice: number;
  readonly timeout: number;
}

/** A router's word on which provider it turned to (section 4.0). */
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
