import { firstRetryMs, maxRetryMs } from './constants.ts';

/**
 * How long to wait after each attempt that was refused, in ms, without end. Each differs at random, so that two sides
 * that miss each other once do not go on to.
 * @param random 0 … 1
 */
export function* retryWaits(random: () => number): Generator<number, never> {
  for (let waitMs = firstRetryMs; ; waitMs = Math.min(maxRetryMs, 2 * waitMs)) yield waitMs * (0.7 + 0.6 * random());
}
