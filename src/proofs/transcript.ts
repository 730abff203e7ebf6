import { utf8 } from '../lib/bytes.ts';
import type { JobId } from '../lib/types.ts';
import { sha256 } from '../protocol/digests.ts';
import {
  type ExtraSettings,
  type Finish,
  finish,
  type Head,
  modes,
  type Offer,
  type Opening,
  type ProvedStep,
} from '../protocol/messages.ts';
import type { GrammarMatcher } from './grammar/grammar-matcher.ts';
import { GrammarTooCostly } from './grammar/work.ts';
import type { TopLogits } from './logits.ts';
import { encodeKeptSteps } from './record/kept-steps.ts';
import { type RecordedStep, StepRecord } from './record/step-record.ts';
import { AnswerDraws } from './sampling/draws.ts';
import { type Selection, selectCandidates } from './sampling/sampler.ts';
import { AnswerText } from './text/answer-text.ts';
import { StopTexts } from './text/stop-texts.ts';
import { challengePositions } from './tree/challenge.ts';

export interface TranscriptInit {
  readonly jobId: JobId;
  readonly offer: Offer;
  /** What the offer's `extra` says. */
  readonly settings: ExtraSettings;
  /** Tokens of the answer before this job (section 4.6). */
  readonly continuation: readonly number[];
  readonly inputDigest: Uint8Array;
  readonly promptCount: number;
  readonly execClass: Uint8Array;
  /** 32 random bytes, never used for another job; the salts come from it. */
  readonly jobSecret: Uint8Array;
  /** The bytes that a token adds to the text, with `markers` those of control tokens, too. */
  readonly bytesOf: (token: number) => Uint8Array;
  /** Of the answer's grammar, not yet behind the continuation; null without one. */
  readonly matcher: GrammarMatcher | null;
}

export interface DrawnToken {
  readonly token: number;
  /** The text that becomes complete with it. */
  readonly text: string;
  /**
   * Why the answer ends with it: stop token, length or stop text, or broken off if its grammar costs too much from here
   * on; null if it goes on.
   */
  readonly finish: Finish | null;
}

/** A step that mode zk proves, and what only its prover may see (section 4.8). */
export interface ZkWitness extends Selection {
  readonly step: ProvedStep;
  readonly salt: Uint8Array;
}

/** The provider's record of one job: draws the tokens and commits to every step (section 4.1). */
export interface Transcript {
  readonly n: number;
  readonly tokens: readonly number[];
  /** Why the answer has ended by itself, before its first token perhaps; null if it goes on. */
  readonly finish: Finish | null;
  /** Candidates of the next step: `min(topK, vocab)`, with a grammar no more than tokens are allowed. */
  readonly candidateCount: number;
  /**
   * Draws the next token from the logits after the last one.
   * @param top at least `candidateCount` of the largest, with a grammar of allowed tokens alone
   * @throws RangeError for a NaN, or for fewer
   */
  next(top: TopLogits): DrawnToken;
  /**
   * Commits to what was drawn. `head` and `open` do it if it was not done: called while the next logits are computed,
   * it costs no time.
   */
  commit(): void;
  /** Ends the text: what an incomplete last character becomes, which the final head covers, too. */
  end(reason: Finish): string;
  /** The head over all steps and all text so far. */
  head(reason: Finish): Head;
  /**
   * The opening of the steps that `secret` challenges (section 4.3). That the offer committed to it is not checked
   * here.
   */
  open(secret: Uint8Array): Opening;
  /** In mode zk the same steps, for the prover. */
  witnesses(secret: Uint8Array): readonly ZkWitness[];
  /**
   * The steps from index `from` on as they are kept for a later process (`decodeKeptSteps`): to be appended to those
   * before, or the beginning if `from` is 0. They hold the job's secret.
   */
  keptSteps(from: number): Uint8Array;
}

/** The opening of the steps of `record` that `secret` challenges, `count` of them at most (section 4.3). */
export function openingOf(record: StepRecord, count: number, secret: Uint8Array): Opening {
  const { root, steps } = challenged(record, count, secret);
  return {
    v: 1,
    jobId: record.jobId,
    root,
    steps: steps.map(({ i, token, prefix, salt, candidates, exact, zk, path }) => ({
      i,
      token,
      prefix,
      salt,
      candidates,
      exact,
      zk,
      path,
    })),
  };
}

function challenged(
  record: StepRecord,
  count: number,
  secret: Uint8Array,
): { readonly root: Uint8Array; readonly steps: readonly RecordedStep[] } {
  const { root } = record.committed();
  return { root, steps: record.steps(challengePositions(root, secret, record.tokens.length, count)) };
}

/** @throws GrammarTooCostly if the grammar costs too much before the first token: such an offer is `bad-input` */
export function createTranscript(init: TranscriptInit): Transcript {
  return new JobTranscript(init);
}

class JobTranscript implements Transcript {
  readonly #init: TranscriptInit;
  readonly #draws: AnswerDraws;
  readonly #stopTexts: StopTexts;
  readonly #stops: ReadonlySet<number>;
  readonly #text: AnswerText;
  readonly #textHash = sha256.create();
  readonly #record: StepRecord;
  #finish: Finish | null = null;
  #candidateCount = 0;

  constructor(init: TranscriptInit) {
    const { offer, settings, continuation, jobId, inputDigest, jobSecret, bytesOf } = init;
    const { sampler, seed, mode } = offer;
    this.#init = init;
    this.#draws = new AnswerDraws({ seed, weighing: sampler, extra: settings });
    this.#stopTexts = new StopTexts(settings.stopTexts ?? []);
    this.#stops = new Set(sampler.stops);
    this.#text = new AnswerText(bytesOf);
    this.#record = new StepRecord({ jobId, inputDigest, jobSecret, topK: sampler.topK, isZk: mode === modes.zk });
    for (const token of continuation) {
      this.#follow(token);
      init.matcher?.accept(token);
    }
    this.#prepare();
  }

  get n(): number {
    return this.#record.tokens.length;
  }

  get tokens(): readonly number[] {
    return this.#record.tokens;
  }

  get finish(): Finish | null {
    return this.#finish;
  }

  get candidateCount(): number {
    return this.#candidateCount;
  }

  next(top: TopLogits): DrawnToken {
    if (this.#finish !== null) throw new Error('the answer has ended');
    const selection = selectCandidates(top, this.#candidateCount);
    const token = this.#draws.pick(selection.candidates);
    this.#record.push(token, selection);
    const { text, isComplete } = this.#follow(token);
    this.#textHash.update(utf8(text));
    if (this.#stops.has(token)) this.#finish = finish.stopToken;
    else if (this.n >= this.#init.offer.sampler.maxTokens) this.#finish = finish.length;
    else if (isComplete) this.#finish = finish.stopText;
    else this.#goOn();
    return { token, text, finish: this.#finish };
  }

  commit(): void {
    this.#record.commit();
  }

  end(reason: Finish): string {
    const text = this.#text.end(reason);
    this.#textHash.update(utf8(text));
    return text;
  }

  head(reason: Finish): Head {
    const { inputDigest, execClass, promptCount } = this.#init;
    return {
      version: 1,
      jobId: this.#record.jobId,
      n: this.n,
      ...this.#record.committed(),
      textDigest: this.#textHash.clone().digest(),
      inputDigest,
      execClass,
      promptCount,
      finish: reason,
    };
  }

  open(secret: Uint8Array): Opening {
    return openingOf(this.#record, this.#init.offer.challenge.count, secret);
  }

  witnesses(secret: Uint8Array): readonly ZkWitness[] {
    const { steps } = challenged(this.#record, this.#init.offer.challenge.count, secret);
    return steps.map(({ i, token, prefix, exact, zk, path, salt, candidates, logits }) => ({
      step: { i, token, prefix, exact, zk, path },
      salt,
      candidates,
      logits,
    }));
  }

  keptSteps(from: number): Uint8Array {
    const { jobId, inputDigest, jobSecret, offer } = this.#init;
    const header = { jobId, inputDigest, jobSecret, isZk: offer.mode === modes.zk };
    return encodeKeptSteps(this.#record, header, from);
  }

  /** Goes on behind a token of the answer, drawn here or before. */
  #follow(token: number): { readonly text: string; readonly isComplete: boolean } {
    this.#draws.add(token);
    const text = this.#text.push(token);
    return { text, isComplete: this.#stopTexts.completes(text) };
  }

  /** Behind a token that did not end the answer; a grammar that costs too much from here on breaks it off. */
  #goOn(): void {
    try {
      this.#init.matcher?.accept(this.tokens.at(-1) ?? 0);
      this.#prepare();
    } catch (error) {
      if (!(error instanceof GrammarTooCostly)) throw error;
      this.#finish = finish.brokenOff;
    }
  }

  /** Finds how many tokens the next step may choose from; if it is none, the answer has ended. */
  #prepare(): void {
    const { topK, vocab } = this.#init.offer.sampler;
    const { matcher } = this.#init;
    this.#candidateCount = matcher === null ? Math.min(topK, vocab) : matcher.allowedUpTo(topK).length;
    if (this.#candidateCount === 0) this.#finish = finish.stopText;
  }
}
