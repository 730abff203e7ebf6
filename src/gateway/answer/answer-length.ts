import { QvacError } from '../../errors.ts';
import { utf8 } from '../../lib/bytes.ts';
import type { ModelId } from '../../lib/types.ts';
import type { LivePeer } from '../../node/discovery/discovery.ts';
import { modelsNamed } from '../../node/discovery/query.ts';
import type { LocalVerifier } from '../../node/verification/local-verifier.ts';
import { modelIdHex } from '../../protocol/digests.ts';
import { promptTokenBound } from '../../protocol/input/prompt-bound.ts';
import type { CardModel, Input } from '../../protocol/messages.ts';
import type { InferenceRequest, TokenCount } from './inference-client.ts';

export interface AnswerLengthComponents {
  readonly discovery: { live(): readonly LivePeer[] };
  readonly verifier: Pick<LocalVerifier, 'encodePrompt'>;
}

/** After a refusal for length, the next try asks for this fraction of the answer. */
const retryFraction = 1 / 4;
const maxTries = 4;
/** Bytes of text per token, on average, with the tokenizers of current models. */
const bytesPerToken = 4;
/** Tokens that a chat template adds to a message, on average. */
const tokensPerMessage = 8;

/**
 * The lengths to try for an answer, longest first. A length that does not fit beside the prompt is cut to what does.
 * Only a machine with the model can count the prompt's tokens, so elsewhere a long prompt may need several tries.
 * @throws QvacError E_CONTEXT if the prompt alone fills the context, E_BAD_INPUT for a prompt no provider may take
 */
export async function answerLengths(
  { discovery, verifier }: AnswerLengthComponents,
  { input, model, provider, sampler: { maxTokens } }: InferenceRequest,
): Promise<readonly number[]> {
  const largest = largestContext(discovery.live(), model, provider);
  const bound = promptTokenBound(input);
  if (largest === null || maxTokens + bound <= largest.context) return [maxTokens];
  const { context, id } = largest;
  const count = (await verifier.encodePrompt(modelIdHex(id), input))?.length;
  if (count !== undefined) {
    if (count < context) return [Math.min(maxTokens, context - count)];
    // Anthropic's and OpenAI's programs look for these words.
    const why = `${count} tokens > ${context} maximum, the maximum context length is ${context} tokens`;
    throw new QvacError('E_CONTEXT', why, {
      hint: 'shorten the prompt, or choose a model with a longer context; nothing was sent',
    });
  }
  const first = Math.min(maxTokens, Math.max(context - bound, Math.floor(context / 2)));
  const lengths = Array.from({ length: maxTries }, (_, at) => Math.floor(first * retryFraction ** at));
  return lengths.filter((length) => length > 0);
}

/** The offer with the largest context among those that may answer; null if none is known. */
function largestContext(live: readonly LivePeer[], model: string | null, provider: string | null): CardModel | null {
  const named = live
    .filter(({ peer }) => provider === null || provider === peer)
    .flatMap(({ card }) => modelsNamed(card, model ?? undefined).map((offer) => ({ role: card.role, offer })));
  // A router lists the models that it can recompute; that counts if no provider is known.
  const providers = named.filter(({ role }) => role === 'provider');
  const offers = (providers.length > 0 ? providers : named).map(({ offer }) => offer);
  return offers.toSorted((a, b) => b.context - a.context)[0] ?? null;
}

/** How many tokens a prompt has: exact if the model is on this machine, else estimated from its text. */
export async function countTokens(
  verifier: Pick<LocalVerifier, 'encodePrompt'>,
  model: ModelId,
  input: Input,
): Promise<TokenCount> {
  const count = (await verifier.encodePrompt(model, input))?.length;
  if (count !== undefined) return { tokens: count, exact: true };
  const bytes = input.messages.reduce((sum, { content }) => sum + utf8(content).length, 0);
  return { tokens: Math.ceil(bytes / bytesPerToken) + tokensPerMessage * input.messages.length, exact: false };
}
