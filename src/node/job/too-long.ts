import { QvacError } from '../../errors.ts';
import { shortPeer } from '../../lib/names.ts';
import type { CardModel, Input } from '../../protocol/messages.ts';
import { promptTokenBound } from '../../protocol/prompt-bound.ts';
import type { Choice } from '../selection/select.ts';
import type { LocalVerifier } from '../verification/local-verifier.ts';

/**
 * True where a provider refused an offer whose prompt may be too long for its context. Without the tokenizer nobody
 * else can
 * count, so this says nothing of the provider: a person who pastes a long text twice must not lose an honest one.
 */
export function mayBeTooLong(error: Error, { context }: CardModel, input: Input, maxTokens: number): boolean {
  return (
    error instanceof QvacError && error.details?.remote === 'bad-offer' && promptTokenBound(input) + maxTokens > context
  );
}

/** The same refusal, which says what can be done about it. */
export function asTooLong(error: Error): QvacError {
  return new QvacError('E_FAILED', error.message, {
    hint: 'shorten the prompt, ask for fewer tokens, or choose a model with a longer context',
    cause: error,
    details: { remote: 'bad-offer', tooLong: true },
  });
}

/**
 * Why a prompt does not fit, known before it leaves where the model is here and can count its tokens; else null.
 * @throws QvacError E_BAD_INPUT for one that no provider may take
 */
export async function overlong(
  verifier: Pick<LocalVerifier, 'countPrompt'>,
  { card, model: { context }, modelId }: Choice,
  input: Input,
  maxTokens: number,
): Promise<QvacError | null> {
  // Nothing is loaded for a prompt that fits in any case.
  if (promptTokenBound(input) + maxTokens <= context) return null;
  const count = await verifier.countPrompt(modelId, input);
  if (count === null || count + maxTokens <= context) return null;
  return new QvacError(
    'E_CONTEXT',
    `a prompt of ${count} tokens and an answer of up to ${maxTokens} do not fit in the context of ${context} at ${shortPeer(card.peer)}`,
    {
      hint: 'shorten the prompt, ask for fewer tokens, or choose a model with a longer context; nothing was sent',
      details: { tooLong: true },
    },
  );
}
