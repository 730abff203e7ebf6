import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StopFilter } from '../../src/lib/stop-filter.ts';

/** The pieces that pass, and the stop that was found. */
function run(
  stops: readonly string[],
  pieces: readonly string[],
): { readonly passed: readonly string[]; readonly found: string | null } {
  const filter = new StopFilter(stops);
  const passed = pieces.map((piece) => filter.push(piece));
  return { passed: [...passed, filter.end()], found: filter.found };
}

/** A small alphabet, so that stops and near misses are common. */
const text = (longest: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: longest });
const stop = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 });

test('passes the text before the first stop, however the answer is cut into pieces', () => {
  fc.assert(
    fc.property(fc.array(stop, { maxLength: 3 }), fc.array(text(6), { maxLength: 10 }), (stops, pieces) => {
      const whole = pieces.join('');
      const { passed, found } = run(stops, pieces);
      const hits = stops
        .map((each) => ({ each, end: whole.indexOf(each) + each.length }))
        .filter(({ each }) => whole.includes(each));
      if (hits.length === 0) {
        assert.equal(passed.join(''), whole);
        assert.equal(found, null);
        return;
      }
      assert.ok(found !== null && hits.some(({ each }) => each === found));
      assert.equal(passed.join(''), whole.slice(0, whole.indexOf(found)));
      // A stop is found with its last character, and none of its characters has passed before.
      const soonest = Math.min(...hits.map(({ end }) => end));
      let seen = 0;
      const last = pieces.findIndex((piece) => (seen += piece.length) >= soonest);
      assert.ok(passed.slice(last + 1).every((each) => each === ''));
    }),
    { seed: 1, numRuns: 2_000 },
  );
});

test('passes text at once that cannot become a stop', () => {
  const filter = new StopFilter(['END']);
  assert.deepEqual(
    ['a E', 'N', 'x', 'EN'].map((piece) => filter.push(piece)),
    ['a ', '', 'ENx', ''],
  );
  assert.equal(filter.end(), 'EN');
});
