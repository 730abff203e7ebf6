/** Answers that are put together of steps at random, and how many of them may lie above what is returned. */
const resamples = 20_000;
const resamplesAbove = 2;

/**
 * The mean of `count` values, drawn at random from `values`, that one in ten thousand such means exceeds: what chance
 * may do to an answer whose steps are like these. The same for the same values. 0 of none.
 */
export function rareMean(values: readonly number[], count: number): number {
  if (values.length === 0) return 0;
  const next = generator();
  const sums = Float64Array.from({ length: resamples }, () => {
    let sum = 0;
    for (let drawn = 0; drawn < count; drawn++) sum += values[Math.floor(next() * values.length)] ?? 0;
    return sum;
  }).sort();
  return (sums[resamples - 1 - resamplesAbove] ?? 0) / count;
}

/** Numbers from 0 to 1, always the same ones (mulberry32). */
function generator(): () => number {
  let state = 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
