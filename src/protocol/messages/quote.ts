import * as v from 'valibot';
import { type Mode, modes } from '../codes.ts';
import { maxDeliverWithinS, maxGraceTokens, minDeliverWithinS, minGraceTokens } from '../constants.ts';
import { amountLamports } from '../price.ts';
import { digest, integer, natural, nonce, u32, version } from './fields.ts';
import { type Pay, pay } from './pay.ts';
import { decoder, encoder } from './validated.ts';

/** A provider's price for one request (section 3), used once. Prices in lamports, times in unix milliseconds. */
export interface Quote {
  readonly v: 1;
  readonly peer: Uint8Array;
  readonly client: Uint8Array;
  readonly modelId: Uint8Array;
  readonly requestDigest: Uint8Array;
  readonly mode: Mode;
  /** The most it covers. */
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly priceJob: number;
  /** For 1,000 tokens. */
  readonly priceIn: number;
  readonly priceOut: number;
  /** Tokens paid beyond an acknowledged count, 32 to 1,024. */
  readonly grace: number;
  /** Seconds from the payment by which the provider can finish `maxTokens`, 60 to 86,400. */
  readonly deliverWithin: number;
  readonly execClass: Uint8Array;
  /** Null if nothing is charged. */
  readonly pay: Pay | null;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** 16 bytes */
  readonly nonce: Uint8Array;
}

const quote = v.pipe(
  v.strictObject({
    v: version,
    peer: digest,
    client: digest,
    modelId: digest,
    requestDigest: digest,
    mode: v.picklist(Object.values(modes)),
    promptTokens: u32,
    maxTokens: u32,
    priceJob: natural,
    priceIn: natural,
    priceOut: natural,
    grace: integer(minGraceTokens, maxGraceTokens),
    deliverWithin: integer(minDeliverWithinS, maxDeliverWithinS),
    execClass: digest,
    pay: v.nullable(pay),
    issuedAt: natural,
    expiresAt: natural,
    nonce,
  }),
  v.check(
    (message) => quotedLamports(message) <= BigInt(Number.MAX_SAFE_INTEGER),
    'the whole price is above 2^53 − 1 lamports',
  ),
);

/** The price of all that the quote covers: the `amount` of an offer that pays. */
export function quotedLamports(
  message: Pick<Quote, 'mode' | 'promptTokens' | 'maxTokens' | 'priceJob' | 'priceIn' | 'priceOut'>,
): bigint {
  const { mode, promptTokens, maxTokens, priceJob, priceIn, priceOut } = message;
  const prices = {
    priceJobLamports: BigInt(priceJob),
    priceInLamports: BigInt(priceIn),
    priceOutLamports: BigInt(priceOut),
  };
  return amountLamports({ promptTokens, maxTokens, isScore: mode === modes.score }, prices);
}

/** @throws MalformedError */
export const encodeQuote = encoder<Quote>(quote, 'quote');
/** @throws MalformedError */
export const decodeQuote = decoder<Quote>(quote, 'quote');
