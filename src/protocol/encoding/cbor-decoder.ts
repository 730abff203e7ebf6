import { maxCborDepth, maxDecodedValues } from '../constants.ts';
import { MalformedError } from './malformed-error.ts';

const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the one DAG-CBOR encoding that section 1 allows and nothing else: a value that passes encodes to the same bytes
 * again. The usual decoders take more than one form of a value and drop a BOM at the start of a text.
 */
export class CborDecoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #values = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The only value in the bytes. @throws MalformedError */
  decode(): unknown {
    const value = this.#value(0);
    if (this.#at !== this.#bytes.length) throw new MalformedError('bytes after the value');
    return value;
  }

  #value(depth: number): unknown {
    if (depth > maxCborDepth) throw new MalformedError('nested too deep');
    const first = this.#take(1)[0] ?? 0;
    const type = first >> 5;
    if (type >= 2 && type <= 5 && ++this.#values > maxDecodedValues) throw new MalformedError('too many values');
    switch (type) {
      case 0:
        return this.#argument(first);
      case 1:
        return this.#negative(first);
      case 2:
        return this.#byteString(this.#argument(first));
      case 3:
        return this.#text(this.#argument(first));
      case 4:
        return this.#array(this.#argument(first), depth);
      case 5:
        return this.#map(this.#argument(first), depth);
      default:
        return simpleValue(first);
    }
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw new MalformedError('ends early');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** The unsigned integer of a head byte: a value or a length, in its shortest form and below 2^53. */
  #argument(first: number): number {
    const info = first & 31;
    if (info < 24) return info;
    if (info > 27) throw new MalformedError('an indefinite or reserved length');
    const width = 1 << (info - 24);
    const at = this.#at;
    this.#take(width);
    if (width === 1) return shortest(this.#view.getUint8(at), 24);
    if (width === 2) return shortest(this.#view.getUint16(at), 0x100);
    if (width === 4) return shortest(this.#view.getUint32(at), 0x1_0000);
    const high = this.#view.getUint32(at);
    if (high > 0x1f_ffff) throw new MalformedError('an integer beyond 2^53 − 1');
    return shortest(high * 2 ** 32 + this.#view.getUint32(at + 4), 2 ** 32);
  }

  #negative(first: number): number {
    const value = -1 - this.#argument(first);
    if (!Number.isSafeInteger(value)) throw new MalformedError('an integer beyond −(2^53 − 1)');
    return value;
  }

  /** A copy: a stream overwrites the bytes once they are decoded, and a small field must not keep a large frame. */
  #byteString(length: number): Uint8Array {
    return new Uint8Array(this.#take(length));
  }

  #text(length: number): string {
    try {
      return utf8Decoder.decode(this.#take(length));
    } catch (error) {
      if (error instanceof MalformedError) throw error;
      throw new MalformedError('a text that is not UTF-8');
    }
  }

  #array(length: number, depth: number): unknown[] {
    const items: unknown[] = [];
    for (let at = 0; at < length; at++) items.push(this.#value(depth + 1));
    return items;
  }

  #map(length: number, depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    let before: Uint8Array | null = null;
    for (let at = 0; at < length; at++) {
      const first = this.#take(1)[0] ?? 0;
      if (first >> 5 !== 3) throw new MalformedError('a map key that is not a text');
      const start = this.#at;
      const keyLength = this.#argument(first);
      const key = this.#text(keyLength);
      const bytes = this.#bytes.subarray(this.#at - keyLength, this.#at);
      if (before !== null && !isSortedBefore(before, bytes))
        throw new MalformedError(`map keys not in order at byte ${start}`);
      before = bytes;
      // Never an assignment: `__proto__` would set the prototype.
      Object.defineProperty(map, key, {
        value: this.#value(depth + 1),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return map;
  }
}

function shortest(value: number, least: number): number {
  if (value < least) throw new MalformedError('an integer or length not in its shortest form');
  return value;
}

function simpleValue(first: number): boolean | null {
  if (first === 0xf4) return false;
  if (first === 0xf5) return true;
  if (first === 0xf6) return null;
  throw new MalformedError('a float, tag, undefined or other simple value');
}

/** DAG-CBOR's order of keys: shorter ones first, else bytewise; never equal. */
function isSortedBefore(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return a.length < b.length;
  for (let at = 0; at < a.length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
