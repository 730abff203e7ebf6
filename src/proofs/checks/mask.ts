import { equalBytes } from '../../lib/bytes.ts';
import { FaultError } from '../fault.ts';
import { createGrammarMatcher, type GrammarMatcher } from '../grammar/grammar-matcher.ts';
import type { Vocabulary } from '../grammar/vocabulary.ts';
import { GrammarTooCostly } from '../grammar/work.ts';
import type { Subject } from './subject.ts';

/** Follows which tokens are allowed at each step of an answer (section 4.1): all of them, unless it has a grammar. */
export class AllowedTokens {
  readonly #vocab: number;
  readonly #hasGrammar: boolean;
  #matcher: GrammarMatcher | null = null;
  #unknown: string | null = null;

  /** @param vocabulary bytes of the model's tokens; it is not used if it is not the one that the offer names */
  constructor(subject: Subject, vocabulary: Vocabulary | undefined) {
    const { vocab, stops } = subject.offer.sampler;
    const rules = subject.receipt.grammar;
    this.#vocab = vocab;
    this.#hasGrammar = rules !== null;
    if (rules === null) return;
    const usable = usableVocabulary(subject, vocabulary);
    if (usable === null) this.#unknown = 'needs the bytes of the tokens';
    else this.#followOrForget(() => (this.#matcher = createGrammarMatcher({ rules, vocabulary: usable, stops })));
  }

  /** Why the grammar cannot be followed here; null if it can, or if there is none. */
  get unknown(): string | null {
    return this.#unknown;
  }

  /** The number of allowed tokens at this step, at most `most`; null if it is not known. */
  count(most: number): number | null {
    if (!this.#hasGrammar) return Math.min(most, this.#vocab);
    return this.#ask((matcher) => matcher.allowedUpTo(most).length);
  }

  /** Whether every one of `tokens` is allowed at this step; null if it is not known. */
  allows(tokens: readonly number[]): boolean | null {
    if (!this.#hasGrammar) return true;
    return this.#ask((matcher) => tokens.every((token) => matcher.allows(token)));
  }

  /** Goes on behind the answer's next token. */
  next(token: number): void {
    if (this.#ask((matcher) => matcher.accept(token)) === false) this.#forget('the answer leaves the grammar');
  }

  /** @throws FaultError if the candidates of a step are not allowed or not as many as they must be */
  checkCandidates(ids: readonly number[], topK: number, at: number): void {
    // A token was drawn: whatever the grammar allows, it is one at least.
    const expected = this.count(topK) ?? Math.max(1, Math.min(topK, ids.length));
    const fault = this.#hasGrammar ? 'mask-break' : 'sampler-mismatch';
    if (ids.length !== expected)
      throw new FaultError(fault, `step ${at} has ${ids.length} candidates instead of ${expected}`);
    if (this.allows(ids) === false)
      throw new FaultError(fault, `a candidate of step ${at} is not allowed by the grammar`);
  }

  #ask<Answer>(question: (matcher: GrammarMatcher) => Answer): Answer | null {
    const matcher = this.#matcher;
    return matcher === null ? null : this.#followOrForget(() => question(matcher));
  }

  #followOrForget<Answer>(follow: () => Answer): Answer | null {
    try {
      return follow();
    } catch (error) {
      if (!(error instanceof GrammarTooCostly)) throw error;
      this.#forget(error.message);
      return null;
    }
  }

  #forget(reason: string): void {
    this.#matcher = null;
    this.#unknown = reason;
  }
}

/** The vocabulary, if it is the one of the offer and of its grammar. */
export function usableVocabulary({ settings, offer }: Subject, vocabulary: Vocabulary | undefined): Vocabulary | null {
  if (vocabulary === undefined || vocabulary.size !== offer.sampler.vocab) return null;
  const { vocabDigest } = settings;
  return vocabDigest === undefined || equalBytes(vocabulary.digest, vocabDigest) ? vocabulary : null;
}
