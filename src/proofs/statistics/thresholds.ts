import type { Result } from '../../protocol/messages.ts';
import type { Limits } from '../calibration.ts';
import { mean } from './divergence.ts';

/** Section 6: what the measured distances mean. All in millionths. */

/** Opened steps from which on the stricter limits hold. */
const minManySteps = 8;
/** Fewer opened steps than this say nothing. */
const minSteps = 2;
/** Steps over which the mean miss is judged, at temperature 0 and above. */
const minGreedySteps = 16;
const minDrawnSteps = 32;
const minManyDrawnSteps = 128;
/** Over fewer than 32 steps a mean miss above this is not enough to fail, nor to pass. */
const doubtfulMiss = 50_000;

export interface Distances {
  /** Opened steps that were compared and count. */
  readonly count: number;
  readonly meanTv: number | null;
  readonly maxTv: number | null;
  readonly rmsDq: number | null;
}

/**
 * Means over the compared steps: `tvs` 0 … 1, `squares` in nats squared, one of each for a step. Null of none.
 */
export function distancesOf(tvs: readonly number[], squares: readonly number[]): Distances {
  const count = tvs.length;
  if (count === 0) return { count, meanTv: null, maxTv: null, rmsDq: null };
  const maxTv = tvs.reduce((max, tv) => Math.max(max, tv), 0);
  return {
    count,
    meanTv: inMillionths(mean(tvs)),
    maxTv: inMillionths(maxTv),
    rmsDq: inMillionths(Math.sqrt(mean(squares))),
  };
}

/** The mean of misses 0 … 1; null of none. */
export function meanMissOf(misses: readonly number[]): number | null {
  return misses.length === 0 ? null : inMillionths(mean(misses));
}

function inMillionths(value: number): number {
  return Math.round(value * 1_000_000);
}

/** Check 6b over the steps that were compared and count. */
export function judgeDistances({ count, meanTv, rmsDq }: Distances, limits: Limits): Result {
  if (meanTv === null || rmsDq === null) return 'inconclusive';
  if (count >= minManySteps) return rmsDq > limits.rmsDq || meanTv > limits.meanTv ? 'fail' : 'pass';
  if (rmsDq > limits.rmsDqFew) return 'fail';
  return rmsDq > limits.rmsDq || count < minSteps ? 'inconclusive' : 'pass';
}

/** Check 6c over the `count` steps that were drawn again and count. */
export function judgeDraws(meanMiss: number | null, count: number, temperature: number, limits: Limits): Result {
  if (meanMiss === null) return 'inconclusive';
  if (temperature === 0) {
    if (count >= minGreedySteps && meanMiss > limits.meanMissGreedy) return 'fail';
  } else {
    if (count >= minDrawnSteps && meanMiss > limits.meanMiss32) return 'fail';
    if (count >= minManyDrawnSteps && meanMiss > limits.meanMiss128) return 'fail';
  }
  return count < minDrawnSteps && meanMiss > doubtfulMiss ? 'inconclusive' : 'pass';
}
