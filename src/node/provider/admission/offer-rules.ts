import { equalBytes } from '../../../lib/bytes.ts';
import { seconds } from '../../../lib/names.ts';
import { isSameList } from '../../../proofs/checks/same-list.ts';
import { BadInputError } from '../../../protocol/codec.ts';
import { maxClockSkewMs } from '../../../protocol/constants.ts';
import { grammarDigestOf, parseGrammar } from '../../../protocol/grammar/rules.ts';
import { quotedLamports } from '../../../protocol/messages/quote.ts';
import {
  type Card,
  type CardModel,
  type ExtraSettings,
  type GrammarRules,
  modeName,
  type Offer,
  payFrom,
} from '../../../protocol/messages.ts';
import { OfferRefusal } from '../refusal.ts';
import type { IssuedQuote } from './quotes.ts';

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
  const { sampler, payment } = offer;
  require(equalBytes(offer.provider, card.peer), 'the offer is addressed to another provider');
  require(equalBytes(offer.client, remote), 'the offer’s client is not the peer that sent it');
  checkTimes(offer, now);
  const model = card.models.find(({ id }) => equalBytes(id, offer.modelId));
  if (model === undefined) throw new OfferRefusal('no-model', 'this provider does not serve that model');
  const hasClass = card.execClass !== null && equalBytes(offer.execClass, card.execClass);
  require(hasClass, 'the offer names another execution class; fetch the card again');
  require(model.modes.includes(modeName(offer.mode)), `mode ${modeName(offer.mode)} is not served`);
  const isOfModel = sampler.vocab === model.vocab && isSameList(sampler.stops, model.stops);
  require(isOfModel, 'vocab or stops differ from the model’s');
  const isFree = model.priceJob === 0 && model.priceIn === 0 && model.priceOut === 0;
  require(offer.quote !== null || isFree, 'this model has a price: ask for a quote first');
  require(offer.quote !== null || payment.pay === payFrom.nothing, 'a payment without a quote');
  require(offer.quote !== null || hasNoTerms(offer), 'terms without a quote');
  return model;
}

function checkTimes({ issuedAt, expiresAt }: Offer, now: number): void {
  const ageMs = now - Number(issuedAt);
  const clocks = `its clock is ${seconds(Math.abs(ageMs))} ${ageMs < 0 ? 'ahead of' : 'behind'} this one`;
  require(Number(expiresAt) > now, `the offer has expired: ${clocks}, or it took that long`);
  require(ageMs >= -maxClockSkewMs, `the offer’s time is in the future: ${clocks}`);
}

function hasNoTerms({ payment, terms }: Offer): boolean {
  return payment.amountLamports === 0n && Object.values(terms).every((term) => BigInt(term) === 0n);
}

/**
 * Section 4.1: the rules that came with an offer, which must be those that its `extra` names; null without a grammar.
 * @throws OfferRefusal `bad-input` for rules that are not a grammar
 */
export function offeredGrammar(
  { grammar, vocabDigest }: ExtraSettings,
  rules: unknown,
  model: CardModel,
): GrammarRules | null {
  require((grammar === undefined) === (rules === null), 'the grammar is not the offer’s');
  if (grammar === undefined || vocabDigest === undefined) return null;
  require(equalBytes(vocabDigest, model.vocabDigest), 'the grammar is for another vocabulary than the model’s');
  const parsed = parsedGrammar(rules);
  require(equalBytes(grammarDigestOf(parsed), grammar), 'the grammar is not the offer’s');
  return parsed;
}

function parsedGrammar(rules: unknown): GrammarRules {
  try {
    return parseGrammar(rules);
  } catch (error) {
    if (error instanceof BadInputError) throw new OfferRefusal('bad-input', error.message);
    throw error;
  }
}

/** Section 4: the quote, which this provider issued, has not expired and is for this request. @throws OfferRefusal */
export function checkQuote(offer: Offer, { quote, pay }: Pick<IssuedQuote, 'quote' | 'pay'>, now: number): void {
  const { terms, payment } = offer;
  require(quote.expiresAt > now, 'the quote has expired');
  require(equalBytes(quote.client, offer.client), 'the quote is for another client');
  require(equalBytes(quote.modelId, offer.modelId), 'the quote is for another model');
  require(equalBytes(quote.requestDigest, offer.requestDigest), 'the quote is for another request');
  require(quote.mode === offer.mode, 'the quote is for another mode');
  require(equalBytes(quote.execClass, offer.execClass), 'the quote is for another execution class');
  require(quote.maxTokens >= offer.sampler.maxTokens, 'the quote covers fewer tokens');
  const isSame =
    terms.promptTokens === quote.promptTokens &&
    terms.priceJobLamports === BigInt(quote.priceJob) &&
    terms.priceInLamports === BigInt(quote.priceIn) &&
    terms.priceOutLamports === BigInt(quote.priceOut) &&
    terms.grace === quote.grace &&
    terms.deliverWithinS === quote.deliverWithin;
  require(isSame, 'the offer has other terms than the quote');
  const isPaid = payment.pay !== payFrom.nothing;
  require(isPaid === (quote.pay !== null), isPaid ? 'the quote asks for no payment' : 'the quote asks for a payment');
  require(!isPaid || payment.pay === pay, 'the quote is for another kind of payment');
  const amount = isPaid ? quotedLamports({ ...quote, maxTokens: offer.sampler.maxTokens }) : 0n;
  require(payment.amountLamports === amount, `the amount is ${payment.amountLamports} lamports instead of ${amount}`);
}

/**
 * Checks the rules that need the number of prompt tokens.
 * @param tokensPerSecond this provider's own speed
 * @throws OfferRefusal
 */
export function checkLengths(
  { sampler: { maxTokens }, quote, terms }: Offer,
  promptCount: number,
  context: number,
  tokensPerSecond: number,
): void {
  if (quote !== null) {
    require(promptCount <=
      terms.promptTokens, `the prompt has ${promptCount} tokens, ${terms.promptTokens} were quoted`);
    const neededS = Math.ceil(maxTokens / tokensPerSecond);
    require(neededS <= terms.deliverWithinS, `${maxTokens} tokens take ${neededS} s here, longer than was quoted`);
  }
  const fits = promptCount + maxTokens <= context;
  // Programs look for these words.
  const maximum = `maximum context length is ${context} tokens`;
  require(fits, `${promptCount} prompt tokens and ${maxTokens} answer tokens do not fit, the ${maximum}`);
}

function require(holds: boolean, otherwise: string): void {
  if (!holds) throw new OfferRefusal('bad-offer', otherwise);
}
