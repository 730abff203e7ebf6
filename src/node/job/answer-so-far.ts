import type { JobId } from '../../lib/types.ts';
import type { Received } from '../../proofs/received.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { decodeExtra } from '../../protocol/messages/extra.ts';
import type { Input, Offer } from '../../protocol/messages.ts';
import type { Shown } from './redrawn.ts';

/** A job that broke off, or an answer that arrives through a router. */
export interface ShownJob {
  readonly offer: Offer;
  readonly received: Pick<Received, 'jobId' | 'n' | 'tokens' | 'text' | 'beforeNewest'>;
}

/** The tokens and the text of an answer that providers have written one after another (section 4.6). */
export class AnswerSoFar {
  readonly #asked: readonly number[];
  /** The settings beyond the sampler, whose stop texts end an answer. */
  readonly #extra: Uint8Array;
  #continuation: readonly number[];
  #text = '';
  #redrawn: Shown = { tokens: [], text: '' };
  #previous: JobId | null = null;

  /**
   * @param asked the continuation that the question itself has
   * @param extra as of the offer
   */
  constructor(asked: readonly number[] = [], extra: Uint8Array = new Uint8Array()) {
    this.#asked = asked;
    this.#continuation = asked;
    this.#extra = extra;
  }

  /** Tokens of the answer before the next job. */
  get start(): number {
    return this.#continuation.length - this.#asked.length;
  }

  /** The question for the next job. */
  rest<Sampler extends { readonly maxTokens: number }>(
    input: Input,
    sampler: Sampler,
  ): { readonly input: Input; readonly sampler: Sampler } {
    return {
      input: { ...input, continuation: this.#continuation },
      sampler: { ...sampler, maxTokens: sampler.maxTokens - this.start },
    };
  }

  /** The tokens with which the next job's prompt ends. */
  get continuation(): readonly number[] {
    return this.#continuation;
  }

  /** The text that was shown of the continuation. */
  get textBefore(): string {
    return this.#text;
  }

  /** The text of the whole continuation; undefined if the question itself has a part of it. */
  get wholeTextBefore(): string | undefined {
    return this.#asked.length === 0 ? this.#text : undefined;
  }

  /** All text that was shown. */
  get text(): string {
    return this.#text + this.#redrawn.text;
  }

  /** Number of tokens that were shown. */
  get shownCount(): number {
    return this.start + this.#redrawn.tokens.length;
  }

  /** What was shown of the tokens behind the continuation: the next job has to begin with it. */
  get redrawn(): Shown {
    return this.#redrawn;
  }

  /** The last job of which a token was shown; null before the first. */
  get previous(): JobId | null {
    return this.#previous;
  }

  /**
   * Takes what was shown of a job on this continuation. Tokens that end an answer cannot be continued from: the newest
   * frame with tokens is asked for once more then.
   * @returns whether the job showed anything new, and so the next one continues it
   * @throws MalformedError if no provider can continue it
   */
  add({ offer, received }: ShownJob): boolean {
    if (received.n <= this.#redrawn.tokens.length) return false;
    const { vocab, stops, maxTokens } = offer.sampler;
    const stopAt = received.tokens.findIndex((token) => stops.includes(token));
    if (received.tokens.some((token) => token >= vocab) || (stopAt !== -1 && stopAt !== received.n - 1))
      throw new MalformedError('tokens that no answer has');
    const isEnded = stopAt !== -1 || received.n >= maxTokens || this.#hasStopText(received.text, vocab);
    const { n, text } = isEnded ? received.beforeNewest : received;
    this.#continuation = [...this.#continuation, ...received.tokens.slice(0, n)];
    this.#text += text;
    this.#redrawn = { tokens: received.tokens.slice(n), text: received.text.slice(text.length) };
    this.#previous = received.jobId;
    return true;
  }

  #hasStopText(newText: string, vocab: number): boolean {
    const { stopTexts = [] } = decodeExtra(this.#extra, vocab);
    const whole = this.#text + newText;
    return stopTexts.some((stop) => whole.includes(stop));
  }
}
