import { usableVocabulary } from '../proofs/checks/mask.ts';
import type { Subject } from '../proofs/checks/subject.ts';
import {
  createGrammarMatcher,
  type GrammarMatcher,
  type GrammarMatcherInit,
} from '../proofs/grammar/grammar-matcher.ts';
import type { Vocabulary } from '../proofs/grammar/vocabulary.ts';
import { GrammarTooCostly } from '../proofs/grammar/work.ts';
import type { AllowedTokens } from './engine.ts';

/** Which tokens were allowed at each step of an answer that is computed again. */
export interface AnswerGrammar {
  /** As `ReplayOptions.allowedAt`: once for each step, in order. */
  readonly allowedAt: (step: number) => AllowedTokens | null;
  /** Whether it is not known what was allowed at a step: the answer had left the grammar, or it cost too much. */
  isLost(step: number): boolean;
}

/** Null for an answer without a grammar. */
export function createAnswerGrammar(subject: Subject, vocabulary: Vocabulary): AnswerGrammar | null {
  const rules = subject.receipt.grammar;
  if (rules === null) return null;
  const usable = usableVocabulary(subject, vocabulary);
  const { stops } = subject.offer.sampler;
  return followAnswer(subject.answer, usable && startMatcher({ rules, vocabulary: usable, stops }));
}

/** Null for a grammar that costs too much from its start. */
function startMatcher(init: GrammarMatcherInit): GrammarMatcher | null {
  try {
    return createGrammarMatcher(init);
  } catch (error) {
    if (error instanceof GrammarTooCostly) return null;
    throw error;
  }
}

/** @param matcher at the start of the answer; null: nothing is known of its grammar */
export function followAnswer(answer: readonly number[], matcher: GrammarMatcher | null): AnswerGrammar {
  return new FollowedAnswer(answer, matcher);
}

class FollowedAnswer implements AnswerGrammar {
  readonly #answer: readonly number[];
  #matcher: GrammarMatcher | null;
  #lostAt = Number.POSITIVE_INFINITY;
  #step = 0;
  /** Asks the matcher as it stands; once it is lost, nothing is allowed. */
  readonly #allowed: AllowedTokens = {
    allows: (token) => this.#ask((matcher) => matcher.allows(token)) ?? false,
    allowedUpTo: (most) => this.#ask((matcher) => matcher.allowedUpTo(most)) ?? [],
  };

  constructor(answer: readonly number[], matcher: GrammarMatcher | null) {
    this.#answer = answer;
    this.#matcher = matcher;
    if (matcher === null) this.#lostAt = 0;
  }

  readonly allowedAt = (step: number): AllowedTokens => {
    for (; this.#step < step; this.#step++) {
      const token = this.#answer[this.#step] ?? 0;
      const isAccepted = this.#ask((matcher) => matcher.accept(token));
      if (isAccepted === false) this.#lose(this.#step + 1);
    }
    return this.#allowed;
  };

  isLost(step: number): boolean {
    return step >= this.#lostAt;
  }

  #ask<Answer>(question: (matcher: GrammarMatcher) => Answer): Answer | null {
    if (this.#matcher === null) return null;
    try {
      return question(this.#matcher);
    } catch (error) {
      if (!(error instanceof GrammarTooCostly)) throw error;
      this.#lose(this.#step);
      return null;
    }
  }

  #lose(step: number): void {
    this.#matcher = null;
    this.#lostAt = Math.min(this.#lostAt, step);
  }
}
