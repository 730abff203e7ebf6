import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { defaultLimits } from '../../src/proofs/calibration.ts';
import {
  judgePool,
  type Misses,
  maxPoolParts,
  type Pool,
  pooledLimit,
  pooledMissesOf,
  pooledSteps,
  withMisses,
} from '../../src/proofs/statistics/pooled.ts';

const poolOf = (answers: readonly Misses[]): Pool => answers.reduce<Pool>(withMisses, []);

describe('section 6: pooled evidence', () => {
  it('has a limit of five eighths of that for 128 steps', () => {
    assert.equal(pooledLimit(defaultLimits), 5_000);
    assert.equal(pooledLimit({ meanMiss128: 6_154 }), 3_846);
  });

  it('judges from 1,000 steps on, by the mean of the newest', () => {
    const half = { steps: 500, sum: 0 };
    assert.equal(judgePool(poolOf([half]), 5_000).result, 'inconclusive');
    assert.equal(judgePool(poolOf([half, half]), 5_000).result, 'pass');
    const far = { steps: 500, sum: 500 * 5_001 };
    assert.equal(judgePool(poolOf([half, far, far]), 5_000).result, 'fail');
    // What is older than the newest thousand does not excuse them.
    assert.deepEqual(judgePool(poolOf([...Array.from({ length: 50 }, () => half), far, far]), 5_000), {
      result: 'fail',
      steps: 1_000,
      meanMiss: 5_001,
      limit: 5_000,
    });
  });

  it('keeps the newest thousand steps and few parts, however long the answers are', () => {
    const answers = fc.array(fc.record({ steps: fc.integer({ min: 1, max: 700 }), sum: fc.nat(1_000_000) }));
    fc.assert(
      fc.property(answers, (all) => {
        const pool = poolOf(all);
        const steps = pool.reduce((sum, part) => sum + part.steps, 0);
        const given = all.reduce((sum, part) => sum + part.steps, 0);
        assert.ok(pool.length <= maxPoolParts);
        assert.ok(steps >= Math.min(given, pooledSteps) && steps - (pool[0]?.steps ?? 0) < pooledSteps);
      }),
      { seed: 14, numRuns: 500 },
    );
    const short = Array.from({ length: 3_000 }, () => ({ steps: 1, sum: 10 }));
    assert.deepEqual([poolOf(short).length, judgePool(poolOf(short), 5_000).meanMiss], [maxPoolParts - 1, 10]);
  });

  it('takes the steps of temperatures at which honest misses are small', () => {
    const misses = [0, 0.002, 0.0015];
    assert.deepEqual(pooledMissesOf(misses, 70, defaultLimits), { steps: 3, sum: 3_500, limit: 5_000 });
    assert.deepEqual(
      [0, 49].map((temperature) => pooledMissesOf(misses, temperature, defaultLimits)),
      [null, null],
    );
    assert.equal(pooledMissesOf([], 70, defaultLimits), null);
  });
});
