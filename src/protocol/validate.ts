import * as v from 'valibot';
import { decodeCbor, encodeCbor, MalformedError } from './codec.ts';
import type { Cancel, Card, Input, Offer, Opening, Quote, Verdict } from './messages.ts';
import * as schemas from './schemas.ts';

/**
 * `value` where it is what `schema` says; the message names the field and never its content.
 * @throws MalformedError
 */
export function validated<Schema extends v.GenericSchema>(
  schema: Schema,
  value: unknown,
  what: string,
): v.InferOutput<Schema> {
  const result = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  const reason =
    issue.kind === 'validation' || issue.type === 'custom' ? issue.message : `expected ${issue.expected ?? issue.type}`;
  throw new MalformedError(`${what}${path === null ? '' : ` at ${path}`}: ${reason.slice(0, 120)}`);
}

/** An encoder that refuses what a decoder would refuse, so that nobody is sent a malformed message. */
function encoder<Message>(schema: v.GenericSchema<unknown, unknown>, what: string): (message: Message) => Uint8Array {
  return (message) => encodeCbor(validated(schema, message, what));
}

function decoder<Message>(schema: v.GenericSchema<unknown, Message>, what: string): (bytes: Uint8Array) => Message {
  return (bytes) => validated(schema, decodeCbor(bytes), what);
}

/**
 * Bodies of messages (sections 3 and 4). Encoders and decoders throw MalformedError for a field that is missing,
 * unknown or out of range; decoders also for bytes that are not the one encoding.
 */
export const encodeCard = encoder<Card>(schemas.card, 'card');
export const decodeCard = decoder<Card>(schemas.card, 'card');
export const encodeQuote = encoder<Quote>(schemas.quote, 'quote');
export const decodeQuote = decoder<Quote>(schemas.quote, 'quote');
export const encodeOffer = encoder<Offer>(schemas.offer, 'offer');
export const decodeOffer = decoder<Offer>(schemas.offer, 'offer');
export const encodeCancel = encoder<Cancel>(schemas.cancel, 'cancel');
export const decodeCancel = decoder<Cancel>(schemas.cancel, 'cancel');
export const encodeOpening = encoder<Opening>(schemas.opening, 'opening');
export const decodeOpening = decoder<Opening>(schemas.opening, 'opening');
export const encodeVerdict = encoder<Verdict>(schemas.verdict, 'verdict');
export const decodeVerdict = decoder<Verdict>(schemas.verdict, 'verdict');

/** `cbor(input)` (section 2), as `requestDigest` hashes it. */
export const encodeInput = encoder<Input>(schemas.input, 'input');
/** An input from decoded CBOR or JSON. @throws MalformedError */
export function parseInput(value: unknown): Input {
  return validated(schemas.input, value, 'input');
}
