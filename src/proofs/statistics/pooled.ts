import type { Limits } from '../calibration.ts';

/** Section 6, pooled evidence: what many answers of one provider say together. All means in millionths. */

/** Steps that are judged together. */
export const pooledSteps = 1_000;
/** Steps of each part of a pool but the newest, at least: a pool of short answers stays small, too. */
const partSteps = 50;
/** The most parts that a pool has. */
export const maxPoolParts = pooledSteps / partSteps + 1;
/** The temperatures, in hundredths, at which honest misses were measured and are small. */
const [minTemperature, maxTemperature] = [50, 200];
/** The limit as a share of that for 128 steps: the mean of more steps strays less. */
const limitShare = 5 / 8;

/** Steps that were drawn again. */
export interface Misses {
  readonly steps: number;
  /** Of their misses, millionths. */
  readonly sum: number;
}

/** What one answer adds to the evidence about its provider. */
export interface PooledMisses extends Misses {
  /** Mean miss above which a pool fails, by the limits that this answer was judged with, millionths. */
  readonly limit: number;
}

/** The newest steps of one provider with one model, the oldest part first. */
export type Pool = readonly Misses[];

/** What a pool says. */
export interface PoolFinding {
  /** `inconclusive` with too few steps. */
  readonly result: 'pass' | 'fail' | 'inconclusive';
  readonly steps: number;
  /** Millionths. */
  readonly meanMiss: number;
  readonly limit: number;
}

export function pooledLimit({ meanMiss128 }: Pick<Limits, 'meanMiss128'>): number {
  return Math.round(meanMiss128 * limitShare);
}

/**
 * What the draws of one provider's tokens in one answer add.
 * @param misses of the steps that were recomputed and count, 0 … 1
 * @param temperature hundredths
 * @returns null if they add nothing: there are none, or the temperature is one at which honest misses are few and large
 */
export function pooledMissesOf(misses: readonly number[], temperature: number, limits: Limits): PooledMisses | null {
  if (misses.length === 0 || temperature < minTemperature || temperature > maxTemperature) return null;
  const sum = misses.reduce((total, miss) => total + Math.round(miss * 1_000_000), 0);
  return { steps: misses.length, sum, limit: pooledLimit(limits) };
}

/** The pool with an answer more, without the oldest parts that a judgement does not need. */
export function withMisses(pool: Pool, { steps, sum }: Misses): Pool {
  const last = pool.at(-1);
  const parts =
    last !== undefined && last.steps < partSteps
      ? [...pool.slice(0, -1), { steps: last.steps + steps, sum: last.sum + sum }]
      : [...pool, { steps, sum }];
  let first = 0;
  for (let spare = stepsOf(parts) - pooledSteps; first < parts.length; first++) {
    spare -= parts[first]?.steps ?? 0;
    if (spare < 0) break;
  }
  return parts.slice(first);
}

export function judgePool(pool: Pool, limit: number): PoolFinding {
  const steps = stepsOf(pool);
  const sum = pool.reduce((total, part) => total + part.sum, 0);
  const meanMiss = steps === 0 ? 0 : Math.round(sum / steps);
  const result = steps < pooledSteps ? 'inconclusive' : meanMiss > limit ? 'fail' : 'pass';
  return { result, steps, meanMiss, limit };
}

function stepsOf(pool: Pool): number {
  return pool.reduce((total, { steps }) => total + steps, 0);
}
