import { encode } from '@ipld/dag-cbor';
import { CborDecoder } from './encoding/cbor-decoder.ts';

export { BadInputError, MalformedError } from './encoding/malformed-error.ts';

/**
 * The one encoding of `value` (section 1). Plain objects, arrays, texts, safe integers, booleans, null, Uint8Array.
 *
 * ```ts
 * encodeCbor({ v: 1, n: 32 }); // a2616e1820617601
 * ```
 * @param room bytes, all zero, to leave in front of it
 */
export function encodeCbor(value: unknown, room = 0): Uint8Array {
  const encoded = encode(value);
  // A plain array of its own: the encoder's result may be a slice of a shared Buffer.
  const bytes = new Uint8Array(room + encoded.length);
  bytes.set(encoded, room);
  return bytes;
}

/**
 * The value whose one encoding is `bytes`. A byte string that is more than half of them is a view, the others are
 * copies.
 * @throws MalformedError for anything that encodes otherwise: floats, tags, unsorted keys, trailing bytes, …
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  return new CborDecoder(bytes).decode();
}
