import { rateBounds } from '../../../proofs/statistics/bounds.ts';
import { pooledSteps } from '../constants.ts';
import type { Sample } from './samples.ts';

/** A provider's running mean: what one answer cannot show, its last thousand steps can. */
export interface Pooled {
  /** Steps of each pool. */
  readonly steps: number;
  /** Mean miss that no honest provider reaches, millionths. */
  readonly limit: number;
  readonly pools: number;
  readonly flagged: number;
  readonly lower: number;
  readonly upper: number;
}

/**
 * Mean misses of one provider's answers in a row, of at least `pooledSteps` steps each, against `limit`.
 * @param limit millionths
 */
export function poolSamples(samples: readonly Sample[], limit: number): Pooled {
  const means = pooledMeans(samples);
  const flagged = means.filter((value) => value > limit).length;
  const bounds = means.length === 0 ? { lower: 0, upper: 1 } : rateBounds(flagged, means.length);
  return { steps: pooledSteps, limit, pools: means.length, flagged, ...bounds };
}

/** Mean misses over at least `pooledSteps` steps of one provider's answers in a row, millionths. */
export function pooledMeans(samples: readonly Sample[]): readonly number[] {
  const byProvider = new Map<number, { steps: number; sum: number }>();
  const means: number[] = [];
  for (const { provider, record, temperature } of samples) {
    // At temperature 0 a miss is in nats.
    if (temperature === 0) continue;
    const pool = byProvider.get(provider) ?? { steps: 0, sum: 0 };
    pool.steps += record.miss.length;
    pool.sum += record.miss.reduce((sum, miss) => sum + miss, 0);
    byProvider.set(provider, pool);
    if (pool.steps < pooledSteps) continue;
    means.push(pool.sum / pool.steps);
    byProvider.delete(provider);
  }
  return means;
}
