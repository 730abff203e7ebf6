import { createHash } from 'node:crypto';

/** Bytes, hashes and the two ways in which something can be wrong, for a checker that shares nothing with the product. */

export class Malformed extends Error {}
export class Fault extends Error {
  readonly code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export function malformedUnless(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Malformed(what);
}

export function faultUnless(condition: boolean, code: string): asserts condition {
  if (!condition) throw new Fault(code);
}

export const sha = (...parts: readonly Uint8Array[]): Buffer =>
  createHash('sha256').update(Buffer.concat(parts)).digest();
export const tag = (text: string): Buffer => Buffer.concat([Buffer.from(text), Buffer.alloc(16 - text.length)]);
export const same = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0;
export const sameNumbers = (one: readonly number[], other: readonly number[]): boolean =>
  JSON.stringify(one) === JSON.stringify(other);
export const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

export function integer(value: number, bytes: 1 | 4): Buffer {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 1) buffer.writeUInt8(value);
  else if (value < 0) buffer.writeInt32BE(value);
  else buffer.writeUInt32BE(value);
  return buffer;
}
