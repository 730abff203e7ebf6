import { encode } from '@ipld/dag-cbor';
import { CborDecoder } from './cbor-decoder.ts';

export { MalformedError } from './malformed-error.ts';

/**
 * The one encoding of `value` (section 1). Plain objects, arrays, texts, safe integers, booleans, null, Uint8Array.
 *
 * ```ts
 * encodeCbor({ v: 1, n: 32 }); // a2616e1820617601
 * ```
 */
export function encodeCbor(value: unknown): Uint8Array {
  // A plain array of its own: the encoder's result may be a slice of a shared Buffer.
  return new Uint8Array(encode(value));
}

/**
 * The value whose one encoding is `bytes`. Its byte strings are copies.
 * @throws MalformedError for anything that encodes otherwise: floats, tags, unsorted keys, trailing bytes, …
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  return new CborDecoder(bytes).decode();
}
