import type { Limits } from '../../../proofs/calibration.ts';
import { rateBounds } from '../../../proofs/statistics/bounds.ts';
import {
  judgePool,
  type Pool,
  pooledLimit,
  pooledMissesOf,
  pooledSteps,
  withMisses,
} from '../../../proofs/statistics/pooled.ts';
import type { Sample } from './samples.ts';

/** What a provider's newest thousand steps show, where one answer cannot. */
export interface Pooled {
  /** Steps of each pool, at least. */
  readonly steps: number;
  /** Mean miss above which a pool fails, millionths. */
  readonly limit: number;
  readonly pools: number;
  readonly flagged: number;
  readonly lower: number;
  readonly upper: number;
}

/**
 * The answers of each provider to each verifier in a row, judged as a node judges them. A node does so after every
 * answer; here each pool begins where the last one ended, so that the bounds of the rate hold.
 */
export function poolSamples(samples: readonly Sample[], limits: Limits): Pooled {
  const pools = new Map<string, Pool>();
  const limit = pooledLimit(limits);
  let [judged, flagged] = [0, 0];
  for (const { provider, record, temperature } of samples) {
    const misses = pooledMissesOf(
      record.miss.map((miss) => miss / 1e6),
      temperature,
      limits,
    );
    if (misses === null) continue;
    const pair = `${provider} ${record.verifier}`;
    const pool = withMisses(pools.get(pair) ?? [], misses);
    const { result } = judgePool(pool, limit);
    pools.set(pair, result === 'inconclusive' ? pool : []);
    if (result !== 'inconclusive') judged++;
    if (result === 'fail') flagged++;
  }
  const bounds = judged === 0 ? { lower: 0, upper: 1 } : rateBounds(flagged, judged);
  return { steps: pooledSteps, limit, pools: judged, flagged, ...bounds };
}
