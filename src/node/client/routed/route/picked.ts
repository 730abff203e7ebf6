import { QvacError } from '../../../../errors.ts';
import { equalBytes } from '../../../../lib/bytes.ts';
import { shortPeer } from '../../../../lib/names.ts';
import type { PeerIdString } from '../../../../lib/types.ts';
import { isSameList } from '../../../../proofs/checks/same-list.ts';
import { peerIdOf, verifyBody } from '../../../../proofs/signing.ts';
import { MalformedError } from '../../../../protocol/codec.ts';
import { jobIdOf, requestDigestOf, sha256 } from '../../../../protocol/digests.ts';
import type { FrameOf, RouteMode, RouteSampler } from '../../../../protocol/frames.ts';
import type { GrammarRules } from '../../../../protocol/grammar/rules.ts';
import { inputFor } from '../../../../protocol/input/system-in-turn.ts';
import { isExtraOf } from '../../../../protocol/messages/extra.ts';
import { quotedLamports } from '../../../../protocol/messages/quote.ts';
import {
  type CardModel,
  type Input,
  kinds,
  type Offer,
  type Quote,
  type Signed,
} from '../../../../protocol/messages.ts';
import { decodeOffer, decodeQuote } from '../../../../protocol/validate.ts';
import { type VerifiedCard, verifyCard } from '../../../cards/cards.ts';
import { modelsNamed } from '../../../discovery/query.ts';
import { offeredExtra } from '../../../job/answer-extra.ts';

/** What the client asked of the router; the router's claims are compared with it. */
export interface RouteQuestion {
  readonly input: Input;
  /** Hex id, `name` or `name/quant`. */
  readonly model: string;
  readonly sampler: RouteSampler;
  /** Of the answer; null: any text. */
  readonly grammar: GrammarRules | null;
  readonly seed: Uint8Array;
  readonly commit: Uint8Array;
  readonly count: number;
  readonly mode: RouteMode;
  /** Lamports. */
  readonly maxPrice: number;
}

/** The provider that a router chose, from a `picked` frame that passed every check. */
export interface Picked {
  readonly provider: PeerIdString;
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly quote: { readonly quote: Quote; readonly signed: Signed } | null;
  readonly card: VerifiedCard;
  readonly model: CardModel;
  /** The question's, as this model is asked. */
  readonly input: Input;
  /** The bytes of the offer's `extra`. */
  readonly extra: Uint8Array;
}

export interface PickedChecks {
  readonly asked: RouteQuestion;
  /** The stream's remote peer. */
  readonly router: { readonly peer: PeerIdString; readonly publicKey: Uint8Array };
  readonly network: string;
  /** Unix milliseconds. */
  readonly now: number;
}

/** The router broke a rule of section 4.0. That says nothing about the provider. */
export function routerFault(router: PeerIdString, why: string, cause?: unknown): QvacError {
  return new QvacError('E_BAD_PEER', `the router ${shortPeer(router)} broke the protocol: ${why}`, {
    cause,
    details: { router, why },
    hint: 'ask a provider directly: qvac ask --provider <peer>',
  });
}

/**
 * Runs every check of section 4.0 on a `picked` frame, before the client relies on any of it.
 * @throws QvacError E_BAD_PEER with the router and the rule that it broke
 */
export function checkPicked(frame: FrameOf<'picked'>, { asked, router, network, now }: PickedChecks): Picked {
  const bad = (why: string, cause?: unknown): QvacError => routerFault(router.peer, why, cause);
  const offerSigned = { body: frame.offer, sig: frame.offerSig };
  const offer = decoded(() => decodeOffer(frame.offer), 'its offer is malformed', bad);
  if (!equalBytes(offer.client, router.publicKey)) throw bad('its offer names another client');
  if (!verifyBody(router.publicKey, kinds.offer, jobIdOf(frame.offer), offerSigned))
    throw bad('its offer does not carry its signature');
  const altered = alteredPart(offer, asked);
  if (altered !== null) throw bad(`its offer changes the ${altered}`);
  const provider = peerIdOf(offer.provider);
  const card = checkedCard({ body: frame.card, sig: frame.cardSig }, provider, network, now, bad);
  if (card.card.execClass === null || !equalBytes(card.card.execClass, offer.execClass))
    throw bad('its offer names another execution class than the provider’s card');
  const model = modelsNamed(card.card, asked.model).find(
    ({ id, vocab, stops }) =>
      equalBytes(id, offer.modelId) && vocab === offer.sampler.vocab && isSameList(stops, offer.sampler.stops),
  );
  if (model === undefined) throw bad(`its offer is not for the provider’s ${asked.model}`);
  const { sampler, grammar } = asked;
  const extra = decoded(() => offeredExtra(sampler.extra, grammar, model), 'it takes settings that no model has', bad);
  if (!isExtraOf(offer.sampler.extra, extra)) {
    const isDropped = grammar !== null && isExtraOf(offer.sampler.extra, sampler.extra);
    throw bad(isDropped ? 'its offer drops the grammar' : 'its offer changes the settings or the grammar');
  }
  const input = inputFor(model, asked.input);
  if (!equalBytes(offer.requestDigest, requestDigestOf(input))) throw bad('its offer changes the prompt');
  const quote = checkedQuote(frame, offer, bad);
  checkPrice(offer, quote?.quote ?? null, asked.maxPrice, bad);
  return { provider, offer, offerSigned, quote, card, model, input, extra };
}

type Refuse = (why: string, cause?: unknown) => QvacError;

function alteredPart(offer: Offer, { input, sampler, seed, commit, count, mode }: RouteQuestion): string | null {
  const same: Readonly<Record<string, boolean>> = {
    seed: equalBytes(offer.seed, seed),
    commit: equalBytes(offer.challenge.commit, commit),
    'number of challenges': offer.challenge.count === count,
    mode: offer.mode === mode,
    temperature: offer.sampler.temperature === sampler.temperature,
    minP: offer.sampler.minP === sampler.minP,
    topP: offer.sampler.topP === sampler.topP,
    topK: offer.sampler.topK === sampler.topK,
    'length limit': offer.sampler.maxTokens === sampler.maxTokens,
    start: offer.start === input.continuation.length,
  };
  return Object.keys(same).find((part) => same[part] === false) ?? null;
}

function checkedCard(signed: Signed, peer: PeerIdString, network: string, now: number, bad: Refuse): VerifiedCard {
  try {
    return verifyCard(signed, { peer, network, now });
  } catch (error) {
    if (error instanceof QvacError) throw bad(error.message, error);
    throw error;
  }
}

function checkedQuote({ quote: body, quoteSig: sig }: FrameOf<'picked'>, offer: Offer, bad: Refuse): Picked['quote'] {
  if (body === null || sig === null) {
    if (offer.quote !== null) throw bad('it withholds the quote of its offer');
    return null;
  }
  if (offer.quote === null || !equalBytes(sha256(body), offer.quote))
    throw bad('it shows another quote than that of its offer');
  const signed = { body, sig };
  if (!verifyBody(offer.provider, kinds.quote, null, signed)) throw bad('the quote is not signed by the provider');
  return { quote: decoded(() => decodeQuote(body), 'the quote is malformed', bad), signed };
}

function checkPrice(offer: Offer, quote: Quote | null, maxPrice: number, bad: Refuse): void {
  const { payment, sampler } = offer;
  const most = BigInt(maxPrice);
  const price = quote === null ? 0n : quotedLamports({ ...quote, maxTokens: sampler.maxTokens });
  if (price > most || payment.amountLamports > most) throw bad(`it agreed to a price above ${maxPrice} lamports`);
}

function decoded<Value>(decode: () => Value, what: string, bad: Refuse): Value {
  try {
    return decode();
  } catch (error) {
    if (error instanceof MalformedError) throw bad(what, error);
    throw error;
  }
}
