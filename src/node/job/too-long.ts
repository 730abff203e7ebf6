import { QvacError } from '../../errors.ts';
import { shortPeer } from '../../lib/names.ts';
import type { ModelId, PeerIdString } from '../../lib/types.ts';
import { truncationOf } from '../../protocol/embedding.ts';
import { promptTokenBound } from '../../protocol/input/prompt-bound.ts';
import type { CardModel, Input } from '../../protocol/messages.ts';
import type { LocalVerifier } from '../verification/local-verifier.ts';
import { isBadOffer, RemoteError } from './remote-error.ts';

const remedy = 'shorten the prompt, ask for fewer tokens, or choose a model with a longer context';

/** The prompt does not fit in the context beside the answer; it was not sent. */
export class PromptTooLongError extends QvacError {
  constructor(count: number, maxTokens: number, { context }: Pick<CardModel, 'context'>, peer: PeerIdString) {
    const sum = `a prompt of ${count} tokens and an answer of up to ${maxTokens}`;
    super('E_CONTEXT', `${sum} do not fit, the maximum context length is ${context} tokens at ${shortPeer(peer)}`, {
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
  return isBadOffer(error) && boundOf(input, maxTokens) > context;
}

/** An upper bound of the tokens that have to fit into one context: of texts to embed, those of the longest. */
function boundOf(input: Input, maxTokens: number): number {
  if (input.template !== 'embed') return promptTokenBound(input) + maxTokens;
  const truncate = truncationOf(input) ?? Number.POSITIVE_INFINITY;
  const bounds = input.messages.map((message) => promptTokenBound({ ...input, messages: [message], options: {} }));
  return Math.min(truncate, Math.max(...bounds));
}

/** @throws QvacError E_CONTEXT, if the model is on this machine */
async function tooLongText(
  verifier: Pick<LocalVerifier, 'encodePrompt'>,
  modelId: ModelId,
  input: Input,
): Promise<null> {
  await verifier.encodePrompt(modelId, input);
  return null;
}

/**
 * Counts the prompt before it is sent, if the model is on this machine.
 * @returns why the prompt does not fit; null if it fits or cannot be counted here
 * @throws QvacError E_BAD_INPUT for a prompt that every provider must refuse; E_CONTEXT for a text to embed that is
 * too long
 */
export async function findTooLong(
  verifier: Pick<LocalVerifier, 'encodePrompt'>,
  { peer, model, modelId }: { readonly peer: PeerIdString; readonly model: CardModel; readonly modelId: ModelId },
  input: Input,
  maxTokens: number,
): Promise<PromptTooLongError | null> {
  // A prompt that fits by its upper bound needs no tokenizer.
  if (boundOf(input, maxTokens) <= model.context) return null;
  // The tokenizer itself says which text is too long.
  if (input.template === 'embed') return tooLongText(verifier, modelId, input);
  const count = (await verifier.encodePrompt(modelId, input))?.length ?? 0;
  if (count + maxTokens <= model.context) return null;
  return new PromptTooLongError(count, maxTokens, model, peer);
}
