import { QvacError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import { equalBytes } from '../../lib/bytes.ts';
import { seconds, shortPeer } from '../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import { verifyBody } from '../../proofs/signing.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { quoteProtocol } from '../../protocol/constants.ts';
import { requestDigestOf } from '../../protocol/digests.ts';
import { promptRoom } from '../../protocol/embedding.ts';
import { promptTokenBound } from '../../protocol/input/prompt-bound.ts';
import {
  type CardModel,
  type Input,
  kinds,
  type Mode,
  type PayFrom,
  type Quote,
  type Signed,
} from '../../protocol/messages.ts';
import { decodeQuote } from '../../protocol/validate.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import type { SignedQuote } from './job.ts';
import type { JobComponents } from './open-job.ts';
import { RemoteError, remoteError } from './remote-error.ts';

export interface QuoteRequest {
  readonly card: VerifiedCard;
  readonly model: CardModel;
  readonly requestDigest: Uint8Array;
  readonly mode: Mode;
  /** How the answer would be paid: the price of a job may differ. */
  readonly pay: PayFrom;
  /** Upper bound of the prompt's tokens. */
  readonly promptTokens: number;
  readonly maxTokens: number;
  /** Multiaddr to dial. @default the card's peer id */
  readonly target?: string | undefined;
}

/** What a provider may take to deliver: so many times what its card's speed needs, and so many seconds besides. */
const deliveryAllowance = 20;
const minDeliveryAllowanceS = 1_200;

/** How long a quote may take, including the dial, in ms. */
const quoteTimeoutMs = 10_000;

/**
 * Requests the price of an answer to `input`. The prompt counts with its upper bound, but never with more tokens than
 * fit beside the answer: a longer prompt is refused, so it is never paid for.
 * @throws as `fetchQuote`
 */
export function quoteAnswer(
  components: Pick<JobComponents, 'peer' | 'clock'>,
  { input, ...request }: Omit<QuoteRequest, 'requestDigest' | 'promptTokens'> & { readonly input: Input },
  options: AbortOptions,
): Promise<SignedQuote> {
  const promptTokens = Math.min(promptTokenBound(input), promptRoom(request.model, request.maxTokens));
  return fetchQuote(components, { ...request, requestDigest: requestDigestOf(input), promptTokens }, options);
}

/**
 * Requests a signed price from the card's provider (section 3). Refuses a quote that is dearer than the card, or for
 * another request or length.
 * @throws QvacError E_BUSY, E_NO_MODEL, E_FAILED that the provider sent; E_BAD_PEER, E_TIMEOUT, E_NETWORK, E_TRUNCATED
 */
export async function fetchQuote(
  { peer, clock }: Pick<JobComponents, 'peer' | 'clock'>,
  request: QuoteRequest,
  options: AbortOptions = {},
): Promise<SignedQuote> {
  const { card, model, requestDigest, mode, pay, promptTokens, maxTokens } = request;
  const deadline = AbortSignal.timeout(quoteTimeoutMs);
  const signal = anySignal(deadline, options.signal);
  try {
    const stream = await peer.open(request.target ?? card.peer, quoteProtocol, { signal, eager: true });
    try {
      const ask = { t: 'ask', modelId: model.id, requestDigest, mode, promptTokens, maxTokens, pay } as const;
      await stream.write(ask, { signal });
      const frame = await stream.read(['quote', 'busy', 'error'], { signal });
      if (frame === null)
        throw new QvacError('E_TRUNCATED', `${shortPeer(card.peer)} closed the stream without a quote`);
      if (frame.t !== 'quote') throw remoteError(frame, card.peer);
      const signed = { body: frame.body, sig: frame.sig };
      return { quote: checkedQuote(signed, request, peer.key.publicKey, clock.now()), signed };
    } finally {
      await stream.close();
    }
  } catch (error) {
    if (options.signal?.aborted === true) throw options.signal.reason;
    if (deadline.aborted)
      throw new QvacError('E_TIMEOUT', `${shortPeer(card.peer)} gave no quote within ${seconds(quoteTimeoutMs)}`, {
        cause: error,
      });
    throw error;
  }
}

function checkedQuote(
  signed: Signed,
  { card, model, requestDigest, mode, promptTokens, maxTokens }: QuoteRequest,
  client: Uint8Array,
  now: number,
): Quote {
  const bad = (why: string, cause?: unknown): QvacError =>
    new QvacError('E_BAD_PEER', `the quote of ${shortPeer(card.peer)} was refused: ${why}`, { cause });
  if (!verifyBody(card.card.peer, kinds.quote, null, signed)) throw bad('its signature is not the provider’s');
  const quote = decode(signed.body, bad);
  if (!equalBytes(quote.peer, card.card.peer) || !equalBytes(quote.client, client))
    throw bad('it names another provider or client');
  if (!equalBytes(quote.modelId, model.id) || !equalBytes(quote.requestDigest, requestDigest))
    throw bad('it is for another model or request');
  if (quote.mode !== mode) throw bad('it is for another mode');
  // Fewer tokens would not cover the answer; with more, the price would exceed the one that the person saw.
  if (quote.promptTokens !== promptTokens || quote.maxTokens !== maxTokens)
    throw bad('it is for another number of tokens');
  if (quote.priceJob > model.priceJob || quote.priceIn > model.priceIn || quote.priceOut > model.priceOut)
    throw bad('it is dearer than the card');
  if (quote.deliverWithin > longestDeliveryS(card, promptTokens + maxTokens))
    throw bad(`it would hold the payment for up to ${quote.deliverWithin} s`);
  if (quote.expiresAt <= now) throw bad('it has expired');
  // The receipt takes `exec` from the card, and the card is outdated. A retry with the current card succeeds, so the
  // provider is not at fault.
  if (card.card.execClass === null || !equalBytes(quote.execClass, card.card.execClass)) throw staleCard(card.peer);
  return quote;
}

/** The same as if the provider had refused an offer made from its outdated card. */
function staleCard(peer: PeerIdString): QvacError {
  const message = `${shortPeer(peer)} has another execution class than its card says`;
  return new RemoteError('E_FAILED', message, peer, 'bad-offer', { hint: 'ask again' });
}

function decode(body: Uint8Array, bad: (why: string, cause?: unknown) => QvacError): Quote {
  try {
    return decodeQuote(body);
  } catch (error) {
    if (error instanceof MalformedError) throw bad(`it is malformed (${error.message})`, error);
    throw error;
  }
}

/** Far more than a provider of the card's speed needs, in s: until then the payment is on hold. */
function longestDeliveryS({ card }: VerifiedCard, tokens: number): number {
  return minDeliveryAllowanceS + deliveryAllowance * Math.ceil(tokens / Math.max(1, card.compute.tokensPerSecond));
}
