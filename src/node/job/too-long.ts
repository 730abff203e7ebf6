import { QvacError } from '../../errors.ts';
import { shortPeer } from '../../lib/names.ts';
import type { ModelId, PeerIdString } from '../../lib/types.ts';
import type { CardModel, Input } from '../../protocol/messages.ts';
import { promptTokenBound } from '../../protocol/prompt-bound.ts';
import type { LocalVerifier } from '../verification/local-verifier.ts';
import { isBadOffer, RemoteError } from './remote-error.ts';

const remedy = 'shorten the prompt, ask for fewer tokens, or choose a model with a longer context';

/** The prompt does not fit in the context beside the answer; it was not sent. */
export class PromptTooLongError extends QvacError {
  constructor(count: number, maxTokens: number, { context }: Pick<CardModel, 'context'>, peer: PeerIdString) {
    const sum = `a prompt of ${count} tokens and an answer of up to ${maxTokens}`;
    super('E_CONTEXT', `${sum} do not fit in the context of ${context} at ${shortPeer(peer)}`, {
      hint: `${remedy}; nothing was sent`,
    });
    this.name = 'PromptTooLongError';
  }
}

/** A refused offer whose prompt may be too long for the provider's context. */
export class PerhapsTooLongError extends RemoteError {
  constructor(refusal: RemoteError) {
    const peer = String(refusal.details?.peer) as PeerIdString;
    super('E_FAILED', refusal.message, peer, 'bad-offer', { hint: remedy, cause: refusal, quoted: refusal.quoted });
    this.name = 'PerhapsTooLongError';
  }
}

/**
 * True if a provider refused an offer whose prompt may exceed its context. Only the model's tokenizer can count the
 * prompt, so the refusal does not count against the provider: a long text pasted twice must not rule out an honest one.
 */
export function mayBeTooLong(
  error: Error,
  { context }: CardModel,
  input: Input,
  maxTokens: number,
): error is RemoteError {
  return isBadOffer(error) && promptTokenBound(input) + maxTokens > context;
}

/**
 * Counts the prompt before it is sent, if the model is on this machine.
 * @returns why the prompt does not fit; null if it fits or cannot be counted here
 * @throws QvacError E_BAD_INPUT for a prompt that every provider must refuse
 */
export async function findTooLong(
  verifier: Pick<LocalVerifier, 'countPrompt'>,
  { peer, model, modelId }: { readonly peer: PeerIdString; readonly model: CardModel; readonly modelId: ModelId },
  input: Input,
  maxTokens: number,
): Promise<PromptTooLongError | null> {
  // A prompt that fits by its upper bound needs no tokenizer.
  if (promptTokenBound(input) + maxTokens <= model.context) return null;
  const count = await verifier.countPrompt(modelId, input);
  if (count === null || count + maxTokens <= model.context) return null;
  return new PromptTooLongError(count, maxTokens, model, peer);
}
