import { utf8 } from '../../lib/bytes.ts';
import type { JobId } from '../../lib/types.ts';
import { sha256 } from '../../protocol/digests.ts';
import { finish, type Head, type Offer, type ScoredStep, type ScoreOpening } from '../../protocol/messages.ts';
import type { GrammarMatcher } from '../grammar/grammar-matcher.ts';
import type { TopLogits } from '../logits.ts';
import { encodeKeptSteps } from '../record/kept-steps.ts';
import { StepRecord } from '../record/step-record.ts';
import { selectCandidates } from '../sampling/sampler.ts';
import { type BytesOf, ScoredText } from '../text/scored-text.ts';

export interface ScoreTranscriptInit {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly inputDigest: Uint8Array;
  readonly promptCount: number;
  readonly execClass: Uint8Array;
  /** 32 random bytes, never used for another job. */
  readonly jobSecret: Uint8Array;
  /** Of the answer's grammar, at its start; null without one. */
  readonly matcher: GrammarMatcher | null;
  /** The bytes that a token adds to the text; with `markers` those of control tokens, too. */
  readonly bytesOf: BytesOf;
  readonly markedBytesOf: BytesOf;
}

/** A referee's record of a score job (section 4.7): what it would have thought at each step of an answer. */
export interface ScoreTranscript {
  readonly tokens: readonly number[];
  /** Candidates of the next step. */
  readonly candidateCount: number;
  /**
   * Adds a token of the answer and the logits before it.
   * @param top at least `candidateCount` of the largest, with a grammar of allowed tokens alone
   * @returns what it adds to the text of the score
   * @throws RangeError for a NaN, or for fewer
   */
  add(token: number, top: TopLogits): string;
  /** The end of that text. */
  end(): string;
  /** The only head, over all tokens and all text so far. */
  head(): Head;
  open(): ScoreOpening;
  /** The steps from index `from` on as they are kept for a later process (`decodeKeptSteps`). */
  keptSteps(from: number): Uint8Array;
}

export function createScoreTranscript(init: ScoreTranscriptInit): ScoreTranscript {
  return new ScoredAnswer(init);
}

class ScoredAnswer implements ScoreTranscript {
  readonly #init: ScoreTranscriptInit;
  readonly #record: StepRecord;
  readonly #text: ScoredText;
  readonly #textHash = sha256.create();

  constructor(init: ScoreTranscriptInit) {
    const { jobId, inputDigest, jobSecret, offer, bytesOf, markedBytesOf } = init;
    this.#init = init;
    this.#text = new ScoredText(bytesOf, markedBytesOf);
    this.#record = new StepRecord({ jobId, inputDigest, jobSecret, topK: offer.sampler.topK, isZk: false });
  }

  get tokens(): readonly number[] {
    return this.#record.tokens;
  }

  get candidateCount(): number {
    const { matcher, offer } = this.#init;
    const { topK, vocab } = offer.sampler;
    return matcher === null ? Math.min(topK, vocab) : matcher.allowedUpTo(topK).length;
  }

  add(token: number, top: TopLogits): string {
    this.#record.push(token, selectCandidates(top, this.candidateCount));
    this.#init.matcher?.accept(token);
    return this.#covered(this.#text.push(token));
  }

  end(): string {
    return this.#covered(this.#text.end());
  }

  head(): Head {
    const { inputDigest, execClass, promptCount } = this.#init;
    return {
      version: 1,
      jobId: this.#record.jobId,
      n: this.#record.tokens.length,
      ...this.#record.committed(),
      textDigest: this.#textHash.clone().digest(),
      inputDigest,
      execClass,
      promptCount,
      finish: finish.scored,
    };
  }

  open(): ScoreOpening {
    return scoreOpeningOf(this.#record);
  }

  keptSteps(from: number): Uint8Array {
    return encodeKeptSteps(this.#record, { ...this.#init, isZk: false }, from);
  }

  #covered(text: string): string {
    this.#textHash.update(utf8(text));
    return text;
  }
}

/** The opening of a finished score job. */
export function scoreOpeningOf(record: StepRecord): ScoreOpening {
  const { root } = record.committed();
  const steps = Array.from(record.tokens, (_, i): ScoredStep => {
    const { salt, candidates, logits } = record.at(i);
    const view = new DataView(new ArrayBuffer(4 * candidates.length));
    for (const [at, logit] of logits.entries()) view.setFloat32(4 * at, logit);
    return { salt, ids: candidates.map(([id]) => id), logits: new Uint8Array(view.buffer) };
  });
  return { v: 1, jobId: record.jobId, root, steps };
}
