import { type Mode, modes, type PayFrom, payFrom } from '../codes.ts';
import {
  maxChallenges,
  maxMinP,
  maxOfferLifeMs,
  maxPaidTokens,
  maxScoreTopK,
  maxStops,
  maxTemperature,
  maxTopK,
  maxTopP,
  minChallenges,
} from '../constants.ts';
import { MalformedError } from '../encoding/malformed-error.ts';
import { BodyReader, BodyWriter, isZero, nullIfZero } from './body.ts';

/**
 * What a person chooses for an answer: `temperature`, `minP`, `topP` in hundredths (0…200, 0…100, 1…100), `topK` 1…20.
 */
export interface SamplerSettings {
  readonly temperature: number;
  readonly minP: number;
  readonly topP: number;
  readonly topK: number;
  readonly maxTokens: number;
}

/** The settings with what the model adds: number of token ids, end-of-generation ids (ascending, at most 8). */
export interface Sampler extends SamplerSettings {
  readonly vocab: number;
  readonly stops: readonly number[];
  /** Digest of the offer frame's `extra` (section 4.1); null without one. */
  readonly extra: Uint8Array | null;
}

/** What pays for the job: `account` is the payer's wallet, the channel's id, or zeros. */
export interface Payment {
  readonly pay: PayFrom;
  readonly account: Uint8Array;
  readonly amountLamports: bigint;
}

/** A quote's terms as the offer repeats them; all zero without a quote. `priceIn`, `priceOut` per 1,000 tokens. */
export interface OfferTerms {
  /** Most tokens of the prompt. */
  readonly promptTokens: number;
  readonly priceJobLamports: bigint;
  readonly priceInLamports: bigint;
  readonly priceOutLamports: bigint;
  /** Tokens paid beyond an acknowledged count. */
  readonly grace: number;
  readonly deliverWithinS: number;
}

/** Everything that client and provider agree on (section 4). Digests and keys are 32 bytes, times unix milliseconds. */
export interface Offer {
  readonly version: 1;
  readonly client: Uint8Array;
  readonly provider: Uint8Array;
  readonly modelId: Uint8Array;
  readonly execClass: Uint8Array;
  readonly requestDigest: Uint8Array;
  /** Digest of the quote's body; null without one. */
  readonly quote: Uint8Array | null;
  readonly seed: Uint8Array;
  readonly challenge: { readonly commit: Uint8Array; readonly count: number };
  /** 16 bytes */
  readonly nonce: Uint8Array;
  readonly issuedAt: bigint;
  readonly expiresAt: bigint;
  readonly mode: Mode;
  readonly sampler: Sampler;
  /** Tokens of the answer that an earlier job wrote: the length of the input's `continuation`, 0 in a score job. */
  readonly start: number;
  readonly payment: Payment;
  readonly terms: OfferTerms;
}

/** Bytes before the stops, and after them. */
const fixedBytes = 386;
const extraDigestBytes = 32;

/** Section 4's body of an offer. @throws MalformedError for a field that a provider would have to refuse */
export function encodeOffer(offer: Offer): Uint8Array {
  const { challenge, sampler, payment, terms } = offer;
  checkOffer(offer);
  const writer = new BodyWriter('offer', fixedBytes + 4 * sampler.stops.length + extraDigestBytes)
    .u8(1)
    .digest(offer.client)
    .digest(offer.provider)
    .digest(offer.modelId)
    .digest(offer.execClass)
    .digest(offer.requestDigest)
    .digest(offer.quote)
    .digest(offer.seed)
    .digest(challenge.commit)
    .bytes(offer.nonce, 16)
    .u64(offer.issuedAt)
    .u64(offer.expiresAt)
    .u8(offer.mode)
    .u16(challenge.count)
    .u8(sampler.temperature)
    .u8(sampler.minP)
    .u8(sampler.topP)
    .u8(sampler.topK)
    .u32(sampler.vocab)
    .u32(sampler.maxTokens)
    .u32(offer.start)
    .u8(payment.pay)
    .digest(payment.account)
    .u64(payment.amountLamports)
    .u32(terms.promptTokens)
    .u64(terms.priceJobLamports)
    .u64(terms.priceInLamports)
    .u64(terms.priceOutLamports)
    .u32(terms.grace)
    .u32(terms.deliverWithinS)
    .u8(sampler.stops.length);
  for (const stop of sampler.stops) writer.u32(stop);
  return writer.digest(sampler.extra).body();
}

/** @throws MalformedError naming the field for a body of another length or with a value out of range */
export function decodeOffer(body: Uint8Array): Offer {
  const reader = new BodyReader('offer', body);
  const version = reader.u8();
  if (version !== 1) throw new MalformedError(`offer: version expected 1, got ${version}`);
  const [client, provider, modelId, execClass, requestDigest] = [
    reader.digest(),
    reader.digest(),
    reader.digest(),
    reader.digest(),
    reader.digest(),
  ];
  const [quote, seed, commit, nonce] = [reader.digest(), reader.digest(), reader.digest(), reader.bytes(16)];
  const [issuedAt, expiresAt, mode, count] = [reader.u64(), reader.u64(), reader.u8(), reader.u16()];
  const [temperature, minP, topP, topK] = [reader.u8(), reader.u8(), reader.u8(), reader.u8()];
  const [vocab, maxTokens, start] = [reader.u32(), reader.u32(), reader.u32()];
  const payment = { pay: reader.u8() as PayFrom, account: reader.digest(), amountLamports: reader.u64() };
  const terms: OfferTerms = {
    promptTokens: reader.u32(),
    priceJobLamports: reader.u64(),
    priceInLamports: reader.u64(),
    priceOutLamports: reader.u64(),
    grace: reader.u32(),
    deliverWithinS: reader.u32(),
  };
  const stopCount = atMost('number of stops', reader.u8(), maxStops);
  const stops = Array.from({ length: stopCount }, () => reader.u32());
  const extra = nullIfZero(reader.digest());
  reader.end();
  const offer: Offer = {
    version,
    client,
    provider,
    modelId,
    execClass,
    requestDigest,
    quote: nullIfZero(quote),
    seed,
    challenge: { commit, count },
    nonce,
    issuedAt,
    expiresAt,
    mode: mode as Mode,
    sampler: { temperature, minP, topP, topK, maxTokens, vocab, stops, extra },
    start,
    payment,
    terms,
  };
  checkOffer(offer);
  return offer;
}

/** What holds for every offer, whatever the quote and the input are. @throws MalformedError */
function checkOffer({ issuedAt, expiresAt, mode, challenge, sampler, start, payment }: Offer): void {
  const lifeMs = expiresAt - issuedAt;
  if (lifeMs < 1n || lifeMs > BigInt(maxOfferLifeMs))
    throw new MalformedError(`offer: life expected 1 to ${maxOfferLifeMs} ms, got ${lifeMs}`);
  atMost('mode', mode, modes.score);
  atMost('pay', payment.pay, payFrom.channel);
  within('count', challenge.count, minChallenges, maxChallenges);
  checkSampler(sampler, mode === modes.score ? maxScoreTopK : maxTopK);
  if (start + sampler.maxTokens >= 2 ** 32)
    throw new MalformedError(`offer: start + maxTokens expected below 2^32, got ${start + sampler.maxTokens}`);
  if (payment.pay === payFrom.nothing && !isZero(payment.account))
    throw new MalformedError('offer: an account though nothing is paid');
  if (payment.pay !== payFrom.nothing && sampler.maxTokens > maxPaidTokens)
    throw new MalformedError(
      `offer: maxTokens of a paid job expected at most ${maxPaidTokens}, got ${sampler.maxTokens}`,
    );
}

function checkSampler({ temperature, minP, topP, topK, vocab, maxTokens, stops }: Sampler, mostTopK: number): void {
  atMost('temperature', temperature, maxTemperature);
  atMost('minP', minP, maxMinP);
  within('topP', topP, 1, maxTopP);
  within('topK', topK, 1, mostTopK);
  within('vocab', vocab, 1, 2 ** 32 - 1);
  within('maxTokens', maxTokens, 1, 2 ** 32 - 1);
  atMost('number of stops', stops.length, maxStops);
  if (!stops.every((id, at) => id < vocab && (at === 0 || id > (stops[at - 1] ?? id))))
    throw new MalformedError('offer: stops expected ascending ids below vocab');
}

function atMost(field: string, value: number, most: number): number {
  return within(field, value, 0, most);
}

function within(field: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new MalformedError(`offer: ${field} expected ${least} to ${most}, got ${value}`);
  return value;
}
