import type { JobId } from '../lib/types.ts';
import type { Finish, Head, Offer, Opening } from '../protocol/messages.ts';
import type { TopLogits } from './logits.ts';

export interface TranscriptInit {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly inputDigest: Uint8Array;
  readonly promptCount: number;
  readonly execClass: Uint8Array;
  /** 32 random bytes, never used for another job; the salts come from it. */
  readonly jobSecret: Uint8Array;
}

export interface DrawnToken {
  readonly token: number;
  /** 0 after a stop token, 1 at `maxTokens`, null where the answer goes on. */
  readonly finish: 0 | 1 | null;
}

/** The provider's record of one job: draws the tokens and commits to every step (section 4.1). */
export interface Transcript {
  readonly n: number;
  readonly tokens: readonly number[];
  /** Draws the next token from the logits after the last one. @throws RangeError for a NaN */
  next(top: TopLogits): DrawnToken;
  /** The head over all steps so far. `text` is all text sent so far. */
  head(covered: { readonly text: string; readonly finish: Finish }): Head;
  /** The opening of the steps that `secret` challenges (section 4.3). */
  open(secret: Uint8Array): Opening;
}

export function createTranscript(_init: TranscriptInit): Transcript {
  throw new Error('not yet');
}
