import { equalBytes } from '../../../lib/bytes.ts';
import { seconds } from '../../../lib/names.ts';
import { maxClockSkewMs } from '../../../protocol/constants.ts';
import type { Card, CardModel, Offer, Quote } from '../../../protocol/messages.ts';
import { priceLamports } from '../../../protocol/price.ts';
import { OfferRefusal } from '../refusal.ts';

export interface OfferFacts {
  /** Unix milliseconds. */
  readonly now: number;
  /** Raw key of the stream's remote peer. */
  readonly remote: Uint8Array;
  /** This provider's current card. */
  readonly card: Card;
}

/**
 * Checks the rules of section 4, "A provider refuses an offer …", that need neither the quote nor the prompt.
 * @returns the requested model of the card
 * @throws OfferRefusal
 */
export function checkOffer(offer: Offer, { now, remote, card }: OfferFacts): CardModel {
  require(equalBytes(offer.provider, card.peer), 'the offer is addressed to another provider');
  require(equalBytes(offer.client, remote), 'the offer’s client is not the peer that sent it');
  const age = seconds(Math.abs(now - offer.issuedAt));
  require(offer.expiresAt > now, `the offer has expired: it was issued ${age} ago by this provider’s clock`);
  require(offer.issuedAt <=
    now + maxClockSkewMs, `the offer’s time is in the future: it is ${age} ahead of this provider’s clock`);
  const model = card.models.find(({ id }) => equalBytes(id, offer.modelId));
  if (model === undefined) throw new OfferRefusal('no-model', 'this provider does not serve that model');
  require(card.execClass !== null &&
    equalBytes(offer.execClass, card.execClass), 'the offer names another execution class; fetch the card again');
  require(model.modes.includes(offer.mode), `mode ${offer.mode} is not served`);
  require(offer.sampler.vocab === model.vocab &&
    sameIds(offer.sampler.stops, model.stops), 'vocab or stops differ from the model’s');
  require(offer.quote !== null ||
    (model.priceIn === 0 && model.priceOut === 0), 'this model has a price: ask for a quote first');
  require(offer.payment === null || offer.quote !== null, 'a payment without a quote');
  return model;
}

/** Section 4: the quote, which this provider issued, has not expired and is for this request. @throws OfferRefusal */
export function checkQuote(offer: Offer, quote: Quote, now: number): void {
  require(quote.expiresAt > now, 'the quote has expired');
  require(equalBytes(quote.client, offer.client), 'the quote is for another client');
  require(equalBytes(quote.modelId, offer.modelId), 'the quote is for another model');
  require(equalBytes(quote.requestDigest, offer.requestDigest), 'the quote is for another request');
  require(equalBytes(quote.execClass, offer.execClass), 'the quote is for another execution class');
  require(quote.maxTokens >= offer.sampler.maxTokens, 'the quote covers fewer tokens');
  const { payment } = offer;
  if (quote.pay === null) return require(payment === null, 'the quote asks for no payment');
  if (payment === null) throw new OfferRefusal('bad-offer', 'the quote asks for a payment');
  require(payment.chain === quote.pay.chain &&
    equalBytes(payment.program, quote.pay.program), 'the payment is on another chain or program than quoted');
}

/** Checks the rules that need the number of prompt tokens. @throws OfferRefusal */
export function checkPromptLength(offer: Offer, quote: Quote | null, promptCount: number, context: number): void {
  const { maxTokens } = offer.sampler;
  if (quote !== null) {
    require(quote.promptTokens >=
      promptCount, `the prompt has ${promptCount} tokens, ${quote.promptTokens} were quoted`);
    const price = priceLamports({ promptCount, n: maxTokens, priceIn: quote.priceIn, priceOut: quote.priceOut });
    require(offer.payment === null ||
      BigInt(offer.payment.amount) >= price, `the payment is below the price, ${price} lamports`);
  }
  require(promptCount + maxTokens <=
    context, `${promptCount} prompt tokens and ${maxTokens} answer tokens do not fit in the context of ${context}`);
}

function sameIds(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, at) => id === b[at]);
}

function require(holds: boolean, otherwise: string): void {
  if (!holds) throw new OfferRefusal('bad-offer', otherwise);
}
