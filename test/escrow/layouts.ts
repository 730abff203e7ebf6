import { concat, u32, u64 } from '../../src/lib/bytes.ts';

// The protocol's fixed bodies (sections 4, 4.2 and 9), written apart from the product's own. `layouts.test.ts` holds them
// against the vectors.

const u8 = (value: number): Uint8Array => Uint8Array.of(value);
const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 255);

export interface OfferFields {
  readonly version: number;
  readonly client: Uint8Array;
  readonly provider: Uint8Array;
  readonly modelId: Uint8Array;
  readonly execClass: Uint8Array;
  readonly requestDigest: Uint8Array;
  readonly quote: Uint8Array;
  readonly seed: Uint8Array;
  readonly commit: Uint8Array;
  readonly nonce: Uint8Array;
  readonly issuedAt: bigint;
  readonly expiresAt: bigint;
  readonly mode: number;
  readonly count: number;
  readonly temperature: number;
  readonly minP: number;
  readonly topP: number;
  readonly topK: number;
  readonly vocab: number;
  readonly maxTokens: number;
  readonly start: number;
  readonly pay: number;
  readonly account: Uint8Array;
  readonly amount: bigint;
  readonly promptTokens: number;
  readonly priceJob: bigint;
  readonly priceIn: bigint;
  readonly priceOut: bigint;
  readonly grace: number;
  readonly deliverWithin: number;
  readonly stops: readonly number[];
  readonly extraDigest: Uint8Array;
}

export function encodeOffer(offer: OfferFields): Uint8Array {
  return concat(
    u8(offer.version),
    offer.client,
    offer.provider,
    offer.modelId,
    offer.execClass,
    offer.requestDigest,
    offer.quote,
    offer.seed,
    offer.commit,
    offer.nonce,
    u64(offer.issuedAt),
    u64(offer.expiresAt),
    u8(offer.mode),
    u16(offer.count),
    u8(offer.temperature),
    u8(offer.minP),
    u8(offer.topP),
    u8(offer.topK),
    u32(offer.vocab),
    u32(offer.maxTokens),
    u32(offer.start),
    u8(offer.pay),
    offer.account,
    u64(offer.amount),
    u32(offer.promptTokens),
    u64(offer.priceJob),
    u64(offer.priceIn),
    u64(offer.priceOut),
    u32(offer.grace),
    u32(offer.deliverWithin),
    u8(offer.stops.length),
    ...offer.stops.map(u32),
    offer.extraDigest,
  );
}

/** Lamports of all tokens that the offer covers: what `amount` has to be. */
export function fullPriceOf(offer: Omit<OfferFields, 'amount'>): bigint {
  const perAnswerToken = offer.mode === 4 ? offer.priceIn : offer.priceOut;
  const tokens = BigInt(offer.promptTokens) * offer.priceIn + BigInt(offer.maxTokens) * perAnswerToken;
  return offer.priceJob + (tokens + 999n) / 1_000n;
}

export interface AckFields {
  readonly version: number;
  readonly jobId: Uint8Array;
  readonly n: number;
  readonly stop: number;
  readonly account: Uint8Array;
  readonly committed: bigint;
  readonly released: bigint;
}

export function encodeAck(ack: AckFields): Uint8Array {
  return concat(
    u8(ack.version),
    ack.jobId,
    u32(ack.n),
    u8(ack.stop),
    ack.account,
    u64(ack.committed),
    u64(ack.released),
  );
}

export interface HeadFields {
  readonly version: number;
  readonly jobId: Uint8Array;
  readonly n: number;
  readonly root: Uint8Array;
  readonly prefix: Uint8Array;
  readonly textDigest: Uint8Array;
  readonly inputDigest: Uint8Array;
  readonly execClass: Uint8Array;
  readonly promptCount: number;
  readonly finish: number;
}

export function encodeHead(head: HeadFields): Uint8Array {
  return concat(
    u8(head.version),
    head.jobId,
    u32(head.n),
    head.root,
    head.prefix,
    head.textDigest,
    head.inputDigest,
    head.execClass,
    u32(head.promptCount),
    u8(head.finish),
  );
}

export interface TermsFields {
  readonly version: number;
  readonly chain: Uint8Array;
  readonly program: Uint8Array;
  readonly payer: Uint8Array;
  readonly authority: Uint8Array;
  readonly provider: Uint8Array;
  readonly client: Uint8Array;
  readonly deposit: bigint;
  readonly window: bigint;
  readonly expiresAt: bigint;
  readonly validUntil: bigint;
  readonly nonce: Uint8Array;
}

export function encodeTerms(terms: TermsFields): Uint8Array {
  return concat(
    u8(terms.version),
    terms.chain,
    terms.program,
    terms.payer,
    terms.authority,
    terms.provider,
    terms.client,
    u64(terms.deposit),
    u64(terms.window),
    u64(terms.expiresAt),
    u64(terms.validUntil),
    terms.nonce,
  );
}
