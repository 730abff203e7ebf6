import { BadInputError } from '../../protocol/codec.ts';
import type { GrammarMatcher } from './grammar-matcher.ts';
import { GrammarTooCostly } from './work.ts';

export interface ContinuationInit {
  /** Number of token ids. */
  readonly vocab: number;
  readonly stops: readonly number[];
  /** Of the answer's grammar, at its start, which goes on behind the continuation; null without one. */
  readonly matcher: GrammarMatcher | null;
}

/**
 * Section 2: what a provider asks of the tokens that an answer begins with. Not for a score job, whose continuation is
 * the whole answer.
 * @throws BadInputError for a stop, an id that is not below `vocab`, or tokens outside the grammar
 */
export function checkContinuation(continuation: readonly number[], { vocab, stops, matcher }: ContinuationInit): void {
  for (const token of continuation) {
    if (token >= vocab) throw new BadInputError('the continuation has a token outside the vocabulary');
    if (stops.includes(token)) throw new BadInputError('the continuation has a stop token');
    if (matcher !== null && !accepts(matcher, token)) throw new BadInputError('the continuation leaves the grammar');
  }
}

function accepts(matcher: GrammarMatcher, token: number): boolean {
  try {
    return matcher.accept(token);
  } catch (error) {
    if (error instanceof GrammarTooCostly) throw new BadInputError(error.message);
    throw error;
  }
}
