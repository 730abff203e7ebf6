export const maxCodePoint = 0x10ffff;

/** The code points that are in none of the flat ranges `[lo, hi, …]`. */
export function complementOf(ranges: readonly number[]): readonly number[] {
  const rest: number[] = [];
  let from = 0;
  for (const [lo, hi] of sorted(ranges)) {
    if (lo > from) rest.push(from, lo - 1);
    from = Math.max(from, hi + 1);
  }
  if (from <= maxCodePoint) rest.push(from, maxCodePoint);
  return rest;
}

/** The code points of `ranges` that are not in `without`. */
export function difference(ranges: readonly number[], without: readonly number[]): readonly number[] {
  return complementOf([...complementOf(ranges), ...without]);
}

/** The code points that are in both. */
export function intersection(a: readonly number[], b: readonly number[]): readonly number[] {
  return difference(a, complementOf(b));
}

function sorted(ranges: readonly number[]): readonly (readonly [lo: number, hi: number])[] {
  const pairs = Array.from(
    { length: ranges.length / 2 },
    (_, at) => [ranges[2 * at] ?? 0, ranges[2 * at + 1] ?? 0] as const,
  );
  return pairs.sort((a, b) => a[0] - b[0]);
}
