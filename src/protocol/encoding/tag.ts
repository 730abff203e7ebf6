import { utf8 } from '../../lib/bytes.ts';

/**
 * Section 1: an ASCII name of at most 16 bytes, padded with zero bytes to 16.
 *
 * ```ts
 * tag('qvac/draw/1'); // 717661632f647261772f310000000000
 * ```
 */
export function tag(name: string): Uint8Array {
  if (!/^[\x21-\x7e]{1,16}$/.test(name))
    throw new RangeError(`"name" expected 1 to 16 ASCII characters, got "${name}"`);
  const padded = new Uint8Array(16);
  padded.set(utf8(name));
  return padded;
}
