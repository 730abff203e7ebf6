import { equalBytes } from '../../lib/bytes.ts';
import type { Card } from '../../protocol/messages.ts';
import { type FrameStream, readWithin } from '../streams/streams.ts';
import type { Quotes } from './admission/quotes.ts';
import { OfferRefusal } from './refusal.ts';

export interface QuoteHandlerComponents {
  /** Returns this provider's current card. */
  readonly card: () => Card;
  readonly quotes: Quotes;
}

/** The provider's side of `/qvac/quote/1.0.0`: quotes the card's prices for one job. @throws OfferRefusal */
export async function handleQuote(
  { card: currentCard, quotes }: QuoteHandlerComponents,
  stream: FrameStream,
  firstFrameMs: number,
): Promise<void> {
  const ask = await readWithin(stream, ['ask'], firstFrameMs);
  if (ask === null) return;
  const card = currentCard();
  const model = card.models.find(({ id }) => equalBytes(id, ask.modelId));
  if (model === undefined || card.execClass === null)
    throw new OfferRefusal('no-model', 'this provider does not serve that model');
  if (ask.maxTokens < 1 || ask.maxTokens >= model.context)
    throw new OfferRefusal('bad-offer', `${ask.maxTokens} answer tokens do not fit in the context of ${model.context}`);
  const { modelId, requestDigest, promptTokens, maxTokens } = ask;
  const terms = {
    modelId,
    requestDigest,
    promptTokens,
    maxTokens,
    client: stream.remote.publicKey,
    priceIn: model.priceIn,
    priceOut: model.priceOut,
    execClass: card.execClass,
    pay: card.pay,
  };
  await stream.write({ t: 'quote', ...quotes.issue(terms) });
}
