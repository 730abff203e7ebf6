import type { JobId } from '../lib/types.ts';
import type { FrameOf } from '../protocol/frames.ts';
import type { Exec, Head, Input, Offer, Quote, Signed } from '../protocol/messages.ts';
import type { Receipt } from './receipt.ts';

export { FaultError } from './fault.ts';

export interface ReceivedInit {
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly quote: { readonly quote: Quote; readonly signed: Signed } | null;
  /** The map in the provider's card; null where it is not known. */
  readonly exec: Exec | null;
  /** Null keeps the prompt out of the receipt. */
  readonly input: Input | null;
}

/**
 * The receiver's record of one job, checked as it comes (sections 4 and 4.2). Throws FaultError for what a fault code
 * names, MalformedError for frames that break the protocol without one. Holds no more than a receipt can.
 */
export interface Received {
  readonly jobId: JobId;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  readonly n: number;
  readonly text: string;
  /** The newest head. */
  readonly head: Head | null;
  readonly final: Head | null;
  readonly openingSigned: Signed | null;
  accept(frame: Pick<FrameOf<'accept'>, 'promptTokens' | 'inputDigest'>): void;
  addTokens(frame: Pick<FrameOf<'tokens'>, 'i' | 'tokens' | 'text'>): void;
  addHead(signed: Signed): Head;
  /** The cancel that was sent. */
  setCancel(signed: Signed): void;
  /** The opening and the secret it answers. The steps are checked by `assess`. */
  setOpening(signed: Signed, secret: Uint8Array): void;
  /** Everything so far. @throws Error before the final head */
  receipt(verdicts: readonly Signed[]): Receipt;
}

export function createReceived(_init: ReceivedInit): Received {
  throw new Error('not yet');
}
