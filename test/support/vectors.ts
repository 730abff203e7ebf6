import { readFileSync } from 'node:fs';
import { fromHex } from '../../src/lib/bytes.ts';
import type { Mode, Offer, PayFrom } from '../../src/protocol/messages.ts';

/** A file of specification vectors, `name` without folder. */
export function readVectors(name: string): unknown {
  return JSON.parse(readVectorText(name));
}

/** The text of such a file. */
export function readVectorText(name: string): string {
  return readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8');
}

/** Bytes that stand as `{"hex": "…"}` in a vector's value, put back. */
export function withBytes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withBytes);
  if (typeof value !== 'object' || value === null) return value;
  if ('hex' in value && typeof value.hex === 'string') return fromHex(value.hex);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withBytes(item)]));
}

/** A float32 from its four bytes in hex, big-endian. */
export function float32(hex: string): number {
  const bytes = fromHex(hex);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0);
}

/** An offer's fields as vectors have them: bytes in hex, every u64 in decimal. */
export interface OfferFields {
  readonly client: string;
  readonly provider: string;
  readonly modelId: string;
  readonly execClass: string;
  readonly requestDigest: string;
  readonly quote: string;
  readonly seed: string;
  readonly commit: string;
  readonly nonce: string;
  readonly issuedAt: string;
  readonly expiresAt: string;
  readonly mode: Mode;
  readonly count: number;
  readonly temperature: number;
  readonly minP: number;
  readonly topP: number;
  readonly topK: number;
  readonly vocab: number;
  readonly maxTokens: number;
  readonly start: number;
  readonly pay: PayFrom;
  readonly account: string;
  readonly amount: string;
  readonly priceJob: string;
  readonly priceIn: string;
  readonly priceOut: string;
  readonly grace: number;
  readonly deliverWithin: number;
  readonly promptTokens: number;
  readonly stops: readonly number[];
  readonly extraDigest: string;
}

export function offerOf(fields: OfferFields): Offer {
  const digestOrNull = (hex: string): Uint8Array | null => (/^0+$/.test(hex) ? null : fromHex(hex));
  return {
    version: 1,
    client: fromHex(fields.client),
    provider: fromHex(fields.provider),
    modelId: fromHex(fields.modelId),
    execClass: fromHex(fields.execClass),
    requestDigest: fromHex(fields.requestDigest),
    quote: digestOrNull(fields.quote),
    seed: fromHex(fields.seed),
    challenge: { commit: fromHex(fields.commit), count: fields.count },
    nonce: fromHex(fields.nonce),
    issuedAt: BigInt(fields.issuedAt),
    expiresAt: BigInt(fields.expiresAt),
    mode: fields.mode,
    sampler: {
      temperature: fields.temperature,
      minP: fields.minP,
      topP: fields.topP,
      topK: fields.topK,
      maxTokens: fields.maxTokens,
      vocab: fields.vocab,
      stops: fields.stops,
      extra: digestOrNull(fields.extraDigest),
    },
    start: fields.start,
    payment: { pay: fields.pay, account: fromHex(fields.account), amountLamports: BigInt(fields.amount) },
    terms: {
      promptTokens: fields.promptTokens,
      priceJobLamports: BigInt(fields.priceJob),
      priceInLamports: BigInt(fields.priceIn),
      priceOutLamports: BigInt(fields.priceOut),
      grace: fields.grace,
      deliverWithinS: fields.deliverWithin,
    },
  };
}
