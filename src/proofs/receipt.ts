import * as v from 'valibot';
import { fromBase64Url, toBase64Url } from '../lib/base64url.ts';
import { fromHex, fromUtf8 } from '../lib/bytes.ts';
import type { JobId } from '../lib/types.ts';
import { MalformedError } from '../protocol/codec.ts';
import { jobIdHex, jobIdOf } from '../protocol/digests.ts';
import { parseJsonDocument } from '../protocol/encoding/strict-json.ts';
import { parseGrammar } from '../protocol/grammar/rules.ts';
import { input as inputSchema } from '../protocol/input/input.ts';
import { exec as execSchema } from '../protocol/messages/exec.ts';
import { text as textSchema, u32s } from '../protocol/messages/fields.ts';
import {
  type Ack,
  type Exec,
  type ExtraSettings,
  type GrammarRules,
  type Head,
  type Input,
  modes,
  type Offer,
  type Opening,
  type Quote,
  type ScoreOpening,
  type Signed,
  type VectorOpening,
  type Verdict,
  type ZkOpening,
} from '../protocol/messages.ts';
import {
  decodeAck,
  decodeExtra,
  decodeHead,
  decodeOffer,
  decodeOpening,
  decodeQuote,
  decodeScoreOpening,
  decodeVerdict,
  validated,
} from '../protocol/validate.ts';
import type { Vectors } from './embedding/vectors.ts';
import { isFinal } from './head.ts';

/** Section 4.5: everything about one job, for anyone to check. Bodies are the signed bytes. */
export interface Receipt {
  /** Null if the prompt is private. */
  readonly input: Input | null;
  /** Settings beyond the sampler (section 4.1); empty without. */
  readonly extra: Uint8Array;
  readonly grammar: GrammarRules | null;
  readonly offer: Signed;
  readonly quote: Signed | null;
  /** The map of the offer's execClass, from the provider's card. */
  readonly exec: Exec | null;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  readonly text: string;
  /** Of an embedding job (section 4.9), in the place of tokens and text; of no other. */
  readonly vectors?: Vectors | undefined;
  /** The last one that the client sent. */
  readonly ack: Signed | null;
  /** The final one first, of an answer that was cut off the newest; then any that conflicts with it. */
  readonly heads: readonly Signed[];
  /** 32 bytes; there with every opening. */
  readonly secret: Uint8Array | null;
  readonly opening: Signed | null;
  readonly verdicts: readonly Signed[];
  /** The job that this one continues; not signed by anyone. */
  readonly previous: JobId | null;
  /** Of the escrow; any JSON object. */
  readonly settlement: Readonly<Record<string, unknown>> | null;
}

/** The messages in a receipt, decoded. Nothing is checked but their form. */
export interface ReceiptContents {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly settings: ExtraSettings;
  readonly quote: Quote | null;
  readonly ack: Ack | null;
  /** The final head, or the newest of an answer that was cut off. */
  readonly head: Head;
  /** All heads, that one first. */
  readonly heads: readonly Head[];
  /** At most one of them: by the offer's mode and by the version that the provider sent. */
  readonly opening: Opening | null;
  readonly zkOpening: ZkOpening | null;
  readonly scoreOpening: ScoreOpening | null;
  readonly vectorOpening: VectorOpening | null;
  readonly verdicts: readonly Verdict[];
}

/** A receipt file that an earlier version of the protocol wrote: no result can be given for it. */
export class OldReceiptError extends MalformedError {
  constructor() {
    super('receipt: from before the revision of the protocol');
    this.name = 'OldReceiptError';
  }
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
    input: v.nullable(inputSchema),
    extra: body,
    grammar: v.nullable(v.array(v.unknown())),
    offer: body,
    offerSig: signature,
    quote: v.nullable(body),
    quoteSig: v.nullable(signature),
    exec: v.nullable(execSchema),
    promptTokens: u32s,
    tokens: u32s,
    text: textSchema,
    vectors: v.exactOptional(v.strictObject({ counts: u32s, values: body })),
    ack: v.nullable(body),
    ackSig: v.nullable(signature),
    heads: v.pipe(v.array(signed), v.minLength(1)),
    secret: v.nullable(base64(32)),
    opening: v.nullable(body),
    openingSig: v.nullable(signature),
    verdicts: v.array(signed),
    previous: v.nullable(base64(32)),
    settlement: v.nullable(settlement),
  }),
  v.check(({ opening, secret }) => opening === null || secret !== null, 'an opening without the secret'),
);

/**
 * The receipt in a file's text or bytes.
 * @throws OldReceiptError for a file from before the revision
 * @throws MalformedError for another form: no result can be given for it
 */
export function parseReceipt(json: Uint8Array | string): Receipt {
  const value = parseJsonDocument(typeof json === 'string' ? json : textOf(json), 'settlement');
  if (isOld(value)) throw new OldReceiptError();
  const file = validated(receiptFile, value, 'receipt');
  const { input, extra, exec, promptTokens, tokens, text, heads, secret, verdicts, previous } = file;
  const receipt: Receipt = {
    input,
    extra,
    grammar: file.grammar && parseGrammar(file.grammar),
    offer: { body: file.offer, sig: file.offerSig },
    quote: both(file.quote, file.quoteSig, 'quote'),
    exec,
    promptTokens,
    tokens,
    text,
    ...(file.vectors === undefined ? {} : { vectors: file.vectors }),
    ack: both(file.ack, file.ackSig, 'ack'),
    heads,
    secret,
    opening: both(file.opening, file.openingSig, 'opening'),
    verdicts,
    previous: previous && jobIdHex(previous),
    settlement: file.settlement,
  };
  decodeReceipt(receipt);
  return receipt;
}

/** Fields that a receipt had before the revision, and one that it has now. */
function isOld(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['version', 'cancel', 'cancelSig'].every((field) => Object.hasOwn(value, field)) &&
    !Object.hasOwn(value, 'ack')
  );
}

/** @throws MalformedError if a message is malformed or the heads are not in order */
export function decodeReceipt(receipt: Receipt): ReceiptContents {
  const offer = decodeOffer(receipt.offer.body);
  const heads = receipt.heads.map(({ body }) => decodeHead(body));
  const [head] = heads;
  if (head === undefined) throw new MalformedError('receipt: no head');
  checkOrder(heads);
  if (receipt.opening !== null && !isFinal(head)) throw new MalformedError('receipt: an opening without a final head');
  const isScore = offer.mode === modes.score;
  const settings = decodeExtra(receipt.extra, offer.sampler.vocab);
  if ((settings.embed !== undefined) !== (receipt.vectors !== undefined))
    throw new MalformedError('receipt: vectors go with an offer to embed');
  if (receipt.vectors !== undefined && (receipt.tokens.length > 0 || receipt.text !== ''))
    throw new MalformedError('receipt: an embedding job has neither tokens nor text');
  const opening = receipt.opening === null || isScore ? null : decodeOpening(receipt.opening.body);
  return {
    jobId: jobIdOf(receipt.offer.body),
    offer,
    settings,
    quote: receipt.quote && decodeQuote(receipt.quote.body),
    ack: receipt.ack && decodeAck(receipt.ack.body),
    head,
    heads,
    opening: opening?.v === 1 ? opening : null,
    zkOpening: opening?.v === 2 ? opening : null,
    vectorOpening: opening?.v === 3 ? opening : null,
    scoreOpening: receipt.opening !== null && isScore ? decodeScoreOpening(receipt.opening.body) : null,
    verdicts: receipt.verdicts.map(({ body }) => decodeVerdict(body)),
  };
}

/** Final heads stand before those that are not, and of these the newer before the older. */
function checkOrder(heads: readonly Head[]): void {
  for (const [at, head] of heads.entries()) {
    const before = heads[at - 1];
    if (before === undefined || isFinal(before)) continue;
    if (isFinal(head) || head.n > before.n) throw new MalformedError('receipt: the heads are not in order');
  }
}

/** One line of JSON in the order of section 4.5. */
export function serialiseReceipt(receipt: Receipt): string {
  const { input, extra, grammar, offer, quote, exec, promptTokens, tokens, text, vectors, ack } = receipt;
  const { heads, secret, opening, verdicts, previous, settlement } = receipt;
  const asFile = (signed: Signed): { body: string; sig: string } => ({
    body: toBase64Url(signed.body),
    sig: toBase64Url(signed.sig),
  });
  return JSON.stringify({
    version: 1,
    input,
    extra: toBase64Url(extra),
    grammar,
    offer: toBase64Url(offer.body),
    offerSig: toBase64Url(offer.sig),
    quote: quote && toBase64Url(quote.body),
    quoteSig: quote && toBase64Url(quote.sig),
    exec,
    promptTokens,
    tokens,
    text,
    ...(vectors === undefined ? {} : { vectors: { counts: vectors.counts, values: toBase64Url(vectors.values) } }),
    ack: ack && toBase64Url(ack.body),
    ackSig: ack && toBase64Url(ack.sig),
    heads: heads.map(asFile),
    secret: secret && toBase64Url(secret),
    opening: opening && toBase64Url(opening.body),
    openingSig: opening && toBase64Url(opening.sig),
    verdicts: verdicts.map(asFile),
    previous: previous && toBase64Url(fromHex(previous)),
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
    throw new MalformedError('receipt: not UTF-8', { cause: error });
  }
}
