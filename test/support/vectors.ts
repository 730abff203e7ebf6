import { readFileSync } from 'node:fs';
import { fromHex } from '../../src/lib/bytes.ts';

/** A file of specification vectors, `name` without folder. */
export function readVectors(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../vectors/${name}`, import.meta.url), 'utf8'));
}

/** Restores bytes from their form `{"hex": "…"}` in a vector's value. */
export function withBytes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withBytes);
  if (typeof value !== 'object' || value === null) return value;
  if ('hex' in value && typeof value.hex === 'string') return fromHex(value.hex);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withBytes(item)]));
}

/** A float32 from its four bytes in hex, big-endian. */
export function float32(hex: string): number {
  const bytes = fromHex(hex);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0);
}
