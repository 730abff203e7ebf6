import { equalBytes } from '../../lib/bytes.ts';
import { modeName, payFrom } from '../../protocol/codes.ts';
import { maxDeliverWithinS, maxEmbeddedTexts } from '../../protocol/constants.ts';
import { dimensionsOf } from '../../protocol/embedding.ts';
import type { Card } from '../../protocol/messages.ts';
import { defaultGraceTokens } from '../../protocol/price.ts';
import { type FrameStream, readWithin } from '../streams/streams.ts';
import type { Quotes } from './admission/quotes.ts';
import { OfferRefusal } from './refusal.ts';

export interface QuoteHandlerComponents {
  /** Returns this provider's current card. */
  readonly card: () => Card;
  readonly quotes: Quotes;
  readonly takesChannels: boolean;
}

export interface QuoteHandlerInit {
  /** How long a client may take for its first frame, in ms. */
  readonly firstFrameMs: number;
  /** Price of a job in a channel, lamports; null: that of the card. */
  readonly channelPriceJob: number | null;
}

/** The provider's side of `/qvac/quote/1.0.0`: quotes the card's prices for one job. @throws OfferRefusal */
export async function handleQuote(
  { card: currentCard, quotes, takesChannels }: QuoteHandlerComponents,
  stream: FrameStream,
  { firstFrameMs, channelPriceJob }: QuoteHandlerInit,
): Promise<void> {
  const ask = await readWithin(stream, ['ask'], firstFrameMs);
  if (ask === null) return;
  const card = currentCard();
  const model = card.models.find(({ id }) => equalBytes(id, ask.modelId));
  if (model === undefined || card.execClass === null)
    throw new OfferRefusal('no-model', 'this provider does not serve that model');
  const isEmbedding = dimensionsOf(model) !== null;
  if (isEmbedding ? ask.maxTokens > maxEmbeddedTexts : ask.maxTokens >= model.context)
    throw new OfferRefusal('bad-offer', tooManyOf(ask.maxTokens, isEmbedding ? null : model.context));
  if (ask.maxTokens < 1) throw new OfferRefusal('bad-offer', 'nothing is asked for');
  if (!model.modes.includes(modeName(ask.mode)))
    throw new OfferRefusal('bad-offer', `mode ${modeName(ask.mode)} is not served`);
  if (ask.pay === payFrom.channel && !takesChannels)
    throw new OfferRefusal('bad-offer', 'this provider takes no payment from channels');
  const { modelId, requestDigest, mode, promptTokens, maxTokens } = ask;
  const { priceIn, priceOut } = model;
  const priceJob = ask.pay === payFrom.channel ? (channelPriceJob ?? model.priceJob) : model.priceJob;
  const { tokensPerSecond } = card.compute;
  const terms = {
    client: stream.remote.publicKey,
    modelId,
    requestDigest,
    mode,
    promptTokens,
    maxTokens,
    priceJob,
    priceIn,
    priceOut,
    grace: defaultGraceTokens(tokensPerSecond),
    deliverWithin: deliverWithinS(promptTokens + maxTokens, tokensPerSecond),
    execClass: card.execClass,
    pay: card.pay,
  };
  await stream.write({ t: 'quote', ...quotes.issue(terms, ask.pay) });
}

/** @param context null: texts to embed */
function tooManyOf(count: number, context: number | null): string {
  return context === null
    ? `${count} texts, at most ${maxEmbeddedTexts} are embedded in one job`
    : `${count} tokens do not fit in the context of ${context}`;
}

/** Shortest time that a payment is on hold, in s: a client that vanished gets it back by itself then. */
const minHoldS = 600;

/** Time for this many tokens with other jobs beside it and a queue before it, in s. */
function deliverWithinS(tokens: number, tokensPerSecond: number): number {
  return Math.min(maxDeliverWithinS, Math.max(minHoldS, Math.ceil((4 * tokens) / tokensPerSecond)));
}
