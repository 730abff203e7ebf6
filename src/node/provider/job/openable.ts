import type { ScoreTranscript } from '../../../proofs/score/score-transcript.ts';
import type { Transcript } from '../../../proofs/transcript.ts';
import { type Kind, kinds } from '../../../protocol/messages.ts';
import { encodeOpening, encodeScoreOpening } from '../../../protocol/validate.ts';

/** An opening to be signed. */
export interface OpeningBody {
  readonly kind: Kind;
  readonly body: Uint8Array;
  /** How many steps it shows. */
  readonly steps: number;
}

/** What the opening of a finished job is made from. */
export interface Openable {
  readonly tokens: readonly number[];
  /** @param secret to which the offer committed, which is not checked here */
  open(secret: Uint8Array): OpeningBody;
}

export function openableAnswer(transcript: Transcript): Openable {
  return {
    tokens: transcript.tokens,
    open(secret) {
      const opening = transcript.open(secret);
      return { kind: kinds.opening, body: encodeOpening(opening), steps: opening.steps.length };
    },
  };
}

/** A score opens all of its steps, whatever the secret is (section 4.7). */
export function openableScore(transcript: ScoreTranscript): Openable {
  return {
    tokens: transcript.tokens,
    open() {
      const opening = transcript.open();
      return { kind: kinds.score, body: encodeScoreOpening(opening), steps: opening.steps.length };
    },
  };
}
