import * as v from 'valibot';
import { maxStops } from '../constants.ts';

/** Schemas of single fields (section 1), for the schemas of messages. */

export const u32Max = 2 ** 32 - 1;

/** Integer from `min` to `max`. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return v.pipe(v.number(), v.safeInteger(), v.minValue(min), v.maxValue(max));
}

/** Byte string of that length. */
function bytes(length: number) {
  return v.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length === length,
    `expected ${length} bytes`,
  );
}

export const anyBytes = v.custom<Uint8Array>((value) => value instanceof Uint8Array, 'expected bytes');
export const text = v.custom<string>(
  (value) => typeof value === 'string' && value.isWellFormed(),
  'expected text without lone surrogates',
);
export const u32 = integer(0, u32Max);
export const i32 = integer(-(2 ** 31), 2 ** 31 - 1);
export const natural = integer(0);
export const digest = bytes(32);
export const signature = bytes(64);
export const nonce = bytes(16);
export const version = v.literal(1);
/** Parts of one, in millionths. */
export const millionths = integer(0, 1_000_000);

export function isU32(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= u32Max && !Object.is(value, -0);
}

/** A list of u32 without an issue for each item: there may be millions. */
export const u32s = v.custom<readonly number[]>(
  (value) => Array.isArray(value) && value.every(isU32),
  'expected an array of u32',
);

/** `values` ascending, each once. Texts of ASCII alone: there text order is byte order. */
export function isAscending(values: readonly (number | string)[]): boolean {
  return values.every((value, at) => at === 0 || value > (values[at - 1] ?? value));
}

export const stops = v.pipe(
  u32s,
  v.check((ids) => ids.length <= maxStops && isAscending(ids), `expected at most ${maxStops} ascending ids`),
);
