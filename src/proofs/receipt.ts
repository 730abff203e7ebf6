import * as v from 'valibot';
import { fromBase64Url, fromUtf8, toBase64Url } from '../lib/bytes.ts';
import type { JobId } from '../lib/types.ts';
import { MalformedError } from '../protocol/codec.ts';
import { jobIdOf } from '../protocol/digests.ts';
import type { Cancel, Exec, Head, Input, Offer, Opening, Quote, Signed, Verdict } from '../protocol/messages.ts';
import * as schemas from '../protocol/schemas.ts';
import {
  decodeCancel,
  decodeOffer,
  decodeOpening,
  decodeQuote,
  decodeVerdict,
  validated,
} from '../protocol/validate.ts';
import { decodeHead, isFinal } from './head.ts';
import { parseStrictJson } from './strict-json.ts';

/** Section 4.5: everything about one finished job, for anyone to check. Bodies are the signed bytes. */
export interface Receipt {
  /** Null where the prompt is private. */
  readonly input: Input | null;
  readonly offer: Signed;
  readonly quote: Signed | null;
  /** The map of the offer's execClass, from the provider's card. */
  readonly exec: Exec | null;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  readonly text: string;
  readonly cancel: Signed | null;
  /** The final one first, then any that conflicts with it. */
  readonly heads: readonly Signed[];
  /** 32 bytes; there with every opening. */
  readonly secret: Uint8Array | null;
  readonly opening: Signed | null;
  readonly verdicts: readonly Signed[];
  /** Of the escrow; any JSON object. */
  readonly settlement: Readonly<Record<string, unknown>> | null;
}

/** The messages in a receipt, decoded. Nothing is checked but their form. */
export interface ReceiptContents {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly quote: Quote | null;
  readonly cancel: Cancel | null;
  readonly final: Head;
  /** All heads, the final one first. */
  readonly heads: readonly Head[];
  readonly opening: Opening | null;
  readonly verdicts: readonly Verdict[];
}

function base64(length?: number) {
  return v.pipe(
    v.string(),
    v.rawTransform<string, Uint8Array>(({ dataset, addIssue, NEVER }) => {
      try {
        const bytes = fromBase64Url(dataset.value);
        if (length === undefined || bytes.length === length) return bytes;
      } catch {
        // Said below.
      }
      addIssue({ message: `expected ${length ?? 'some'} bytes as base64url without padding` });
      return NEVER;
    }),
  );
}

const body = base64();
const signature = base64(64);
const signed = v.strictObject({ body, sig: signature });
const settlement = v.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'expected an object',
);

const receiptFile = v.pipe(
  v.strictObject({
    version: v.literal(1),
    input: v.nullable(schemas.input),
    offer: body,
    offerSig: signature,
    quote: v.nullable(body),
    quoteSig: v.nullable(signature),
    exec: v.nullable(schemas.exec),
    promptTokens: schemas.u32s,
    tokens: schemas.u32s,
    text: schemas.text,
    cancel: v.nullable(body),
    cancelSig: v.nullable(signature),
    heads: v.pipe(v.array(signed), v.minLength(1)),
    secret: v.nullable(base64(32)),
    opening: v.nullable(body),
    openingSig: v.nullable(signature),
    verdicts: v.array(signed),
    settlement: v.nullable(settlement),
  }),
  v.check(({ opening, secret }) => opening === null || secret !== null, 'an opening without the secret'),
);

/**
 * The receipt in a file's text or bytes.
 * @throws MalformedError for another form: no result can be given for it
 */
export function parseReceipt(json: Uint8Array | string): Receipt {
  const value = parseStrictJson(typeof json === 'string' ? json : textOf(json), 'settlement');
  const file = validated(receiptFile, value, 'receipt');
  const { input, exec, promptTokens, tokens, text, heads, secret, verdicts } = file;
  const receipt: Receipt = {
    input,
    offer: { body: file.offer, sig: file.offerSig },
    quote: both(file.quote, file.quoteSig, 'quote'),
    exec,
    promptTokens,
    tokens,
    text,
    cancel: both(file.cancel, file.cancelSig, 'cancel'),
    heads,
    secret,
    opening: both(file.opening, file.openingSig, 'opening'),
    verdicts,
    settlement: file.settlement,
  };
  decodeReceipt(receipt);
  return receipt;
}

/** @throws MalformedError where a message is malformed or the first head is not final */
export function decodeReceipt(receipt: Receipt): ReceiptContents {
  const heads = receipt.heads.map(({ body }) => decodeHead(body));
  const [final] = heads;
  if (final === undefined || !isFinal(final)) throw new MalformedError('receipt: no final head');
  return {
    jobId: jobIdOf(receipt.offer.body),
    offer: decodeOffer(receipt.offer.body),
    quote: receipt.quote && decodeQuote(receipt.quote.body),
    cancel: receipt.cancel && decodeCancel(receipt.cancel.body),
    final,
    heads,
    opening: receipt.opening && decodeOpening(receipt.opening.body),
    verdicts: receipt.verdicts.map(({ body }) => decodeVerdict(body)),
  };
}

/** One line of JSON in the order of section 4.5. */
export function serialiseReceipt(receipt: Receipt): string {
  const {
    input,
    offer,
    quote,
    exec,
    promptTokens,
    tokens,
    text,
    cancel,
    heads,
    secret,
    opening,
    verdicts,
    settlement,
  } = receipt;
  const asFile = (signed: Signed): { body: string; sig: string } => ({
    body: toBase64Url(signed.body),
    sig: toBase64Url(signed.sig),
  });
  return JSON.stringify({
    version: 1,
    input,
    offer: toBase64Url(offer.body),
    offerSig: toBase64Url(offer.sig),
    quote: quote && toBase64Url(quote.body),
    quoteSig: quote && toBase64Url(quote.sig),
    exec,
    promptTokens,
    tokens,
    text,
    cancel: cancel && toBase64Url(cancel.body),
    cancelSig: cancel && toBase64Url(cancel.sig),
    heads: heads.map(asFile),
    secret: secret && toBase64Url(secret),
    opening: opening && toBase64Url(opening.body),
    openingSig: opening && toBase64Url(opening.sig),
    verdicts: verdicts.map(asFile),
    settlement,
  });
}

function both(body: Uint8Array | null, sig: Uint8Array | null, what: string): Signed | null {
  if (body === null && sig === null) return null;
  if (body === null || sig === null) throw new MalformedError(`receipt: ${what} and ${what}Sig are null together`);
  return { body, sig };
}

function textOf(json: Uint8Array): string {
  try {
    return fromUtf8(json);
  } catch (error) {
    throw new MalformedError('receipt: no UTF-8', { cause: error });
  }
}
