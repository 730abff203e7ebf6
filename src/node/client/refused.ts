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

/** The same refusal, which says what can be done about it. */
export function asTooLong(error: Error): QvacError {
  return new QvacError('E_FAILED', error.message, { hint: 'shorten the prompt, ask for fewer tokens, or choose a model with a longer context', cause: error, details: { remote: 'bad-offer', tooLong: true } });
}
