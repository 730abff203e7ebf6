import { QvacError } from '../../errors.ts';
import type { CardModel, Input } from '../../protocol/messages.ts';
import { promptTokenBound } from '../../protocol/prompt-bound.ts';

/**
 * True where a provider refused an offer whose prompt may be too long for its context. Without the tokenizer nobody else can
 * count, so this says nothing of the provider: a person who pastes a long text twice must not lose an honest one.
 */
export function mayBeTooLong(error: Error, { context }: CardModel, input: Input, maxTokens: number): boolean {
  return error instanceof QvacError && error.details?.['remote'] === 'bad-offer' && promptTokenBound(input) + maxTokens > context;
}
