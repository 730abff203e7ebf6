import type { KeptSteps } from '../../../proofs/record/step-record.ts';
import { openKeptScore, type ScoreTranscript } from '../../../proofs/score/score-transcript.ts';
import { openKept, type Transcript } from '../../../proofs/transcript.ts';
import { type Kind, kinds, type Opening, type ScoreOpening } from '../../../protocol/messages.ts';
import { encodeOpening, encodeScoreOpening } from '../../../protocol/validate.ts';
import type { KeptOpening } from './kept-files.ts';

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
  /** What a later process needs to make the same opening. */
  readonly kept: KeptSteps;
  /** @param secret to which the offer committed, which is not checked here */
  open(secret: Uint8Array): OpeningBody;
}

export function openableAnswer(transcript: Transcript): Openable {
  return openable(transcript, (secret) => answerBody(transcript.open(secret)));
}

/** A score opens all of its steps, whatever the secret is (section 4.7). */
export function openableScore(transcript: ScoreTranscript): Openable {
  return openable(transcript, () => scoreBody(transcript.open()));
}

/** @throws RangeError from `open` if what was kept is no record of a job */
export function openableAgain({ jobId, isScore, count, steps }: KeptOpening): Openable {
  return {
    tokens: steps.tokens,
    kept: steps,
    open: (secret) =>
      isScore ? scoreBody(openKeptScore(steps, jobId)) : answerBody(openKept(steps, jobId, count, secret)),
  };
}

function openable(transcript: Pick<Openable, 'tokens' | 'kept'>, open: Openable['open']): Openable {
  return {
    tokens: transcript.tokens,
    // Read only if a file is written.
    get kept() {
      return transcript.kept;
    },
    open,
  };
}

function answerBody(opening: Opening): OpeningBody {
  return { kind: kinds.opening, body: encodeOpening(opening), steps: opening.steps.length };
}

function scoreBody(opening: ScoreOpening): OpeningBody {
  return { kind: kinds.score, body: encodeScoreOpening(opening), steps: opening.steps.length };
}
