import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultLimits } from '../../../src/proofs/calibration.ts';
import { poolSamples } from '../../../src/sdk/bench/figures/pooled.ts';
import type { Sample } from '../../../src/sdk/bench/figures/samples.ts';

/** An answer of 100 steps with this mean miss, millionths. */
function sample(number: number, meanMiss: number, change: Partial<Sample> = {}): Sample {
  const miss = Array.from({ length: 100 }, (_, at) => (at % 10 === 0 ? 10 * meanMiss : 0));
  const record = {
    name: 'sparse',
    verifier: 1,
    tv: [],
    square: [],
    miss,
    drawn: '',
    redrawn: '',
    same: '',
    listed: '',
  };
  const base = { name: 'sparse', number, temperature: 70, provider: 0, length: 100 } as const;
  return { ...base, isOwnClass: false, isFitted: false, record: { ...record, name: 'sparse' }, ...change };
}

const answers = (count: number, meanMiss: number, change: Partial<Sample> = {}): readonly Sample[] =>
  Array.from({ length: count }, (_, number) => sample(number, meanMiss, change));

describe('pooled evidence of a benchmark', () => {
  it('flags pools of 1,000 steps, each with steps of its own', () => {
    const { pools, flagged, limit, upper } = poolSamples([...answers(20, 6_000), ...answers(30, 4_000)], defaultLimits);
    assert.deepEqual([pools, flagged, limit], [5, 2, 5_000]);
    assert.ok(upper > 0.4 && upper < 1);
    assert.equal(poolSamples(answers(10, 4_000), { ...defaultLimits, meanMiss128: 6_000 }).flagged, 1);
  });

  it('mixes neither providers nor verifiers, and leaves temperature 0 out', () => {
    const mixed = [...answers(9, 9_000), ...answers(9, 9_000, { provider: 1 })];
    assert.equal(poolSamples([...mixed, ...answers(50, 9_000, { temperature: 0 })], defaultLimits).pools, 0);
  });
});
