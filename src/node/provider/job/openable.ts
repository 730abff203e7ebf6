import { type VectorTree, vectorTreeOf } from '../../../proofs/embedding/vectors.ts';
import type { Receipt } from '../../../proofs/receipt.ts';
import { type ScoreTranscript, scoreOpeningOf } from '../../../proofs/score/score-transcript.ts';
import { openingOf, type Transcript } from '../../../proofs/transcript.ts';
import { challengePositions } from '../../../proofs/tree/challenge.ts';
import { type Kind, kinds, type Opening, type ScoreOpening } from '../../../protocol/messages.ts';
import { decodeExtra, decodeHead, decodeOffer, encodeOpening, encodeScoreOpening } from '../../../protocol/validate.ts';
import type { KeptFinished } from './kept-files.ts';

/** An opening to be signed. */
export interface OpeningBody {
  readonly kind: Kind;
  readonly body: Uint8Array;
  /** How many steps it shows. */
  readonly steps: number;
}

/** What the opening of a finished job is made from. */
export interface Openable {
  /** Tokens of the job. */
  readonly n: number;
  /** @param secret to which the offer committed, which is not checked here */
  open(secret: Uint8Array): OpeningBody;
}

/** The steps of a job that this process finished. */
export interface FinishedSteps extends Openable {
  readonly tokens: readonly number[];
  /** From index `from` on, as they are kept for a later process (`decodeKeptSteps`). */
  keptSteps(from: number): Uint8Array;
}

export function openableAnswer(transcript: Transcript): FinishedSteps {
  return finished(transcript, (secret) => answerBody(transcript.open(secret)));
}

/** A score opens all of its steps, whatever the secret is (section 4.7). */
export function openableScore(transcript: ScoreTranscript): FinishedSteps {
  return finished(transcript, () => scoreBody(transcript.open()));
}

/** @param count steps to open @param jobId 32 bytes */
export function openableVectors(tree: VectorTree, count: number, jobId: Uint8Array): FinishedSteps {
  return {
    n: tree.n,
    tokens: [],
    // What opens them is in the receipt.
    keptSteps: () => new Uint8Array(),
    open(secret) {
      const root = tree.root();
      const vectors = tree.open(challengePositions(root, secret, tree.n, count));
      const body = encodeOpening({ v: 3, jobId, root, vectors });
      return { kind: kinds.opening, body, steps: vectors.length };
    },
  };
}

function finished(transcript: Transcript | ScoreTranscript, open: Openable['open']): FinishedSteps {
  const { tokens } = transcript;
  return { n: tokens.length, tokens, keptSteps: (from) => transcript.keptSteps(from), open };
}

/** A job that an earlier process finished; null if its steps are gone. @param receipt of the provider */
export function openableAgain({ opening, record }: KeptFinished, receipt: Receipt): Openable | null {
  const { vectors, promptTokens } = receipt;
  if (vectors !== undefined) {
    const { modelId, challenge, sampler } = decodeOffer(receipt.offer.body);
    const { jobId } = decodeHead(receipt.heads[0]?.body ?? new Uint8Array());
    const { embed = 1 } = decodeExtra(receipt.extra, sampler.vocab);
    return openableVectors(vectorTreeOf({ jobId, modelId }, vectors, embed, promptTokens), challenge.count, jobId);
  }
  if (record === null) return null;
  const { isScore, n, count } = opening;
  return {
    n,
    open: (secret) => (isScore ? scoreBody(scoreOpeningOf(record)) : answerBody(openingOf(record, count, secret))),
  };
}

function answerBody(opening: Opening): OpeningBody {
  return { kind: kinds.opening, body: encodeOpening(opening), steps: opening.steps.length };
}

function scoreBody(opening: ScoreOpening): OpeningBody {
  return { kind: kinds.score, body: encodeScoreOpening(opening), steps: opening.steps.length };
}
