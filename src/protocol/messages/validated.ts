import * as v from 'valibot';
import { decodeCbor, encodeCbor } from '../codec.ts';
import { MalformedError } from '../encoding/malformed-error.ts';

/**
 * `value` if it is what `schema` says; the message names the field and never its content.
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

/** An encoder that refuses what a decoder would refuse, so that no malformed message is sent. */
export function encoder<Message>(
  schema: v.GenericSchema<unknown, unknown>,
  what: string,
): (message: Message) => Uint8Array {
  return (message) => encodeCbor(validated(schema, message, what));
}

export function decoder<Message>(
  schema: v.GenericSchema<unknown, Message>,
  what: string,
): (bytes: Uint8Array) => Message {
  return (bytes) => validated(schema, decodeCbor(bytes), what);
}
