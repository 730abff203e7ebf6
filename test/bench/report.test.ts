import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Figure, median, meetsGoal, quantile, spread, table } from '../../bench/report.ts';
import { rateBounds } from '../../src/proofs/statistics/bounds.ts';

const figure = (value: number, goal: Figure['goal']): Figure => ({
  name: 'speed',
  value,
  unit: '×',
  goal,
  details: {},
});

describe('bench report', () => {
  it('takes quantiles between the values', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
    assert.equal(quantile([10, 20], 0.1), 11);
    assert.ok(Number.isNaN(median([])));
    assert.deepEqual(spread('ms', [5, 1, 3, 2, 4]), { msP10: 1.4, msP50: 3, msP90: 4.6 });
  });

  it('says of each figure whether its goal is met', () => {
    assert.equal(meetsGoal(figure(2, { atMost: 2 })), true);
    assert.equal(meetsGoal(figure(2.1, { atMost: 2 })), false);
    assert.equal(meetsGoal(figure(0.98, { atLeast: 0.98 })), true);
    assert.equal(meetsGoal(figure(0.97, { atLeast: 0.98 })), false);
    assert.equal(meetsGoal(figure(1, null)), null);
    // A figure that could not be measured meets nothing.
    assert.equal(meetsGoal(figure(Number.NaN, { atMost: 2 })), false);
  });

  it('prints one row per figure', () => {
    const rows = table([figure(1.23456, { atMost: 1 }), figure(1, null)]).split('\n');
    assert.deepEqual(rows, ['figure  value    goal', 'speed   1.235 ×  ≤ 1   MISSED', 'speed   1 ×']);
  });
});

describe('bounds of a rate', () => {
  it('are the known ones', () => {
    // Without a hit: 1 − 0.05^(1 ÷ tries), the rule of three.
    assert.ok(Math.abs(rateBounds(0, 40).upper - (1 - 0.05 ** (1 / 40))) < 1e-9);
    assert.ok(Math.abs(rateBounds(20, 20).lower - 0.05 ** (1 / 20)) < 1e-9);
    // From a table of the beta distribution.
    assert.ok(Math.abs(rateBounds(2, 20).upper - 0.2826) < 1e-4);
    assert.ok(Math.abs(rateBounds(2, 20).lower - 0.0181) < 1e-4);
    assert.deepEqual([rateBounds(0, 5).lower, rateBounds(5, 5).upper], [0, 1]);
  });

  it('hold what was seen between them, and mirror each other', () => {
    const seen = fc
      .integer({ min: 1, max: 200 })
      .chain((tries) => fc.record({ tries: fc.constant(tries), hits: fc.integer({ min: 0, max: tries }) }));
    fc.assert(
      fc.property(seen, ({ hits, tries }) => {
        const { lower, upper } = rateBounds(hits, tries);
        assert.ok(lower <= hits / tries && hits / tries <= upper);
        assert.ok(Math.abs(1 - rateBounds(tries - hits, tries).upper - lower) < 1e-9);
      }),
      { seed: 1 },
    );
  });
});
