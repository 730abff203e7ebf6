import * as v from 'valibot';
import { fromHex } from '../../lib/bytes.ts';

// How values stand in the JSON files of a home, which anyone may have edited.

/** `bytes` bytes as lower-case hex digits. */
export const hex = (bytes: number) =>
  v.pipe(
    v.string(),
    v.regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`)),
    v.transform((text) => fromHex(text)),
  );

/** Lamports as decimal digits, since they may exceed 2^53. */
export const lamports = v.pipe(
  v.string(),
  v.regex(/^\d{1,20}$/),
  v.transform((text) => BigInt(text)),
);

export const natural = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
