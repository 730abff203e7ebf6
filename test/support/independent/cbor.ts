import { malformedUnless, same } from './bytes.ts';

/** DAG-CBOR: written anew and compared, so that the decoder need not know every way to be wrong. */

export type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value };
export type Fields = { readonly [key: string]: Value };

function head(major: number, value: number): Buffer {
  const start = major << 5;
  if (value < 24) return Buffer.from([start | value]);
  const width = value < 2 ** 8 ? 1 : value < 2 ** 16 ? 2 : value < 2 ** 32 ? 4 : 8;
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return Buffer.concat([Buffer.from([start | (24 + Math.log2(width))]), bytes.subarray(8 - width)]);
}

export function encode(value: Value): Buffer {
  if (value === null) return Buffer.from([0xf6]);
  if (typeof value === 'boolean') return Buffer.from([value ? 0xf5 : 0xf4]);
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(encode)]);
  const entries = Object.entries(value as Fields).map(([key, item]) => [encode(key), encode(item)] as const);
  // The length comes first in the encoding of a key, so that sorting encodings sorts by length, then bytewise.
  entries.sort(([one], [other]) => Buffer.compare(one, other));
  return Buffer.concat([head(5, entries.length), ...entries.flat()]);
}

export function decode(bytes: Buffer): Value {
  let at = 0;
  const take = (count: number): Buffer => {
    malformedUnless(at + count <= bytes.length, 'cbor ends early');
    return bytes.subarray(at, (at += count));
  };
  const read = (): Value => {
    const first = take(1)[0] ?? 0;
    if (first === 0xf6) return null;
    if (first === 0xf4 || first === 0xf5) return first === 0xf5;
    const [major, small] = [first >> 5, first & 31];
    malformedUnless(small < 28 && major < 6, 'cbor type');
    const size = small < 24 ? small : Number(BigInt(`0x${take(2 ** (small - 24)).toString('hex')}`));
    malformedUnless(size <= Number.MAX_SAFE_INTEGER, 'cbor integer');
    if (major === 0) return size;
    if (major === 1) return -1 - size;
    if (major === 2) return Buffer.from(take(size));
    if (major === 3) return take(size).toString('utf8');
    malformedUnless(size <= bytes.length, 'cbor length');
    if (major === 4) return Array.from({ length: size }, read);
    return Object.fromEntries(Array.from({ length: size }, () => [read() as string, read()]));
  };
  const value = read();
  malformedUnless(at === bytes.length && same(encode(value), bytes), 'not the one encoding');
  return value;
}
