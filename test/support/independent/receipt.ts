import { malformedUnless } from './bytes.ts';
import type { Value } from './cbor.ts';
import { type Extra, type Rules, readExtra, readGrammar } from './extra.ts';
import {
  type Ack,
  execForm,
  type Head,
  inputForm,
  messageOf,
  type Offer,
  type Opening,
  type Quote,
  readAck,
  readHead,
  readOffer,
  type Score,
} from './messages.ts';
import { list, map, maybe, parsedJson, text, u32 } from './rules.ts';

/** Section 4.5: a receipt and all messages in it. */

export interface Signed {
  readonly body: Buffer;
  readonly sig: Buffer;
}

export interface Receipt {
  readonly input: { readonly continuation: readonly number[] } | null;
  readonly extraBytes: Buffer;
  readonly extra: Extra;
  readonly grammar: Rules | null;
  readonly exec: Value;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  readonly text: string;
  readonly secret: Buffer | null;
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly quote: Quote | null;
  readonly quoteSigned: Signed | null;
  readonly ack: Ack | null;
  readonly ackSigned: Signed | null;
  readonly heads: readonly Head[];
  readonly headsSigned: readonly Signed[];
  readonly opening: Opening | null;
  readonly score: Score | null;
  readonly openingSigned: Signed | null;
  readonly verdicts: readonly { readonly jobId: Buffer; readonly root: Buffer; readonly verifier: Buffer }[];
  readonly verdictsSigned: readonly Signed[];
}

const fields =
  'version input extra grammar offer offerSig quote quoteSig exec promptTokens tokens text ack ackSig heads secret opening openingSig verdicts previous settlement';

function bytes(value: unknown): Buffer {
  malformedUnless(typeof value === 'string', 'not a text');
  const decoded = Buffer.from(value, 'base64url');
  malformedUnless(decoded.toString('base64url') === value, 'not the one base64url');
  return decoded;
}

function signature(value: unknown): Buffer {
  const decoded = bytes(value);
  malformedUnless(decoded.length === 64, 'length of a signature');
  return decoded;
}

function digestOrNull(value: unknown): Buffer | null {
  if (value === null) return null;
  const decoded = bytes(value);
  malformedUnless(decoded.length === 32, 'length of a digest');
  return decoded;
}

function signedOrNull(body: unknown, sig: unknown): Signed | null {
  malformedUnless((body === null) === (sig === null), 'half a pair');
  return body === null ? null : { body: bytes(body), sig: signature(sig) };
}

function signedList(value: unknown): readonly Signed[] {
  malformedUnless(list(map({ body: text, sig: text }))(value), 'signed messages');
  return (value as { body: unknown; sig: unknown }[]).map(({ body, sig }) => ({
    body: bytes(body),
    sig: signature(sig),
  }));
}

export function readReceipt(json: string): Receipt {
  let parsed: Record<string, unknown>;
  try {
    parsed = parsedJson(json) as Record<string, unknown>;
  } catch {
    malformedUnless(false, 'not JSON of the one form');
  }
  malformedUnless(map(Object.fromEntries(fields.split(' ').map((field) => [field, () => true])))(parsed), 'fields');
  malformedUnless(parsed.version === 1 && maybe(inputForm)(parsed.input) && maybe(execForm)(parsed.exec), 'maps');
  malformedUnless(list(u32)(parsed.promptTokens) && list(u32)(parsed.tokens) && text(parsed.text), 'lists');
  malformedUnless(typeof parsed.settlement === 'object' && !Array.isArray(parsed.settlement), 'settlement');
  digestOrNull(parsed.previous);
  const offerSigned = { body: bytes(parsed.offer), sig: signature(parsed.offerSig) };
  const quoteSigned = signedOrNull(parsed.quote, parsed.quoteSig);
  const ackSigned = signedOrNull(parsed.ack, parsed.ackSig);
  const openingSigned = signedOrNull(parsed.opening, parsed.openingSig);
  const secret = digestOrNull(parsed.secret);
  malformedUnless(openingSigned === null || secret !== null, 'an opening without its secret');
  const headsSigned = signedList(parsed.heads);
  const verdictsSigned = signedList(parsed.verdicts);
  const offer = readOffer(offerSigned.body);
  const heads = headsSigned.map(({ body }) => readHead(body));
  checkOrder(heads, openingSigned);
  const extraBytes = bytes(parsed.extra);
  return {
    input: parsed.input as Receipt['input'],
    extraBytes,
    extra: readExtra(extraBytes, offer.vocab),
    grammar: parsed.grammar === null ? null : readGrammar(parsed.grammar),
    exec: parsed.exec as Value,
    promptTokens: parsed.promptTokens as number[],
    tokens: parsed.tokens as number[],
    text: parsed.text as string,
    secret,
    offer,
    offerSigned,
    quote: quoteSigned && messageOf<Quote>('quote', quoteSigned.body),
    quoteSigned,
    ack: ackSigned && readAck(ackSigned.body),
    ackSigned,
    heads,
    headsSigned,
    opening: openingSigned && offer.mode !== 4 ? messageOf<Opening>('opening', openingSigned.body) : null,
    score: openingSigned && offer.mode === 4 ? messageOf<Score>('score', openingSigned.body) : null,
    openingSigned,
    verdicts: verdictsSigned.map(({ body }) => messageOf('verdict', body)),
    verdictsSigned,
  };
}

/** Final heads first, then the newer before the older; an opening only behind a final one. */
function checkOrder(heads: readonly Head[], opening: Signed | null): void {
  const [first] = heads;
  malformedUnless(first !== undefined && (opening === null || first.finish !== 255), 'heads');
  const rank = ({ finish, n }: Head): number => (finish === 255 ? n : Infinity);
  malformedUnless(
    heads.every((head, at) => at === 0 || rank(head) <= rank(heads[at - 1] ?? head)),
    'order of the heads',
  );
}
