import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex } from '../../src/lib/bytes.ts';
import { drawAt, pickToken, pickWeighted, quantise, selectCandidates, weightsOf } from '../../src/proofs/sampler.ts';
import type { Candidate } from '../../src/protocol/messages.ts';
import { float32, readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly quantise: readonly { float32: string; q: number }[];
  readonly top: readonly { logits: string[]; topK: number; candidates: [number, number][] }[];
  readonly weights: readonly [temperature: number, d: number, x: number, weight: number][];
  readonly cases: readonly {
    candidates: [number, number][];
    temperature: number;
    minP: number;
    weights: number[];
    seed: string;
    i: number;
    r: string;
    token: number;
  }[];
  readonly select: readonly { weights: number[]; ids: number[]; r: string; token: number }[];
}

const vectors = readVectors('sampler.json') as Vectors;

const candidatesArbitrary = fc
  .uniqueArray(fc.tuple(fc.nat(100_000), fc.integer({ min: -40_000, max: 40_000 })), {
    selector: ([id]) => id,
    minLength: 1,
    maxLength: 20,
  })
  .map((pairs): readonly Candidate[] => pairs.sort((a, b) => a[0] - b[0]));

describe('section 4.1, step 1: candidates', () => {
  it('rounds every logit to the nearest 1024th, halves to even, clamped', () => {
    for (const { float32: hex, q } of vectors.quantise) assert.ok(Object.is(quantise(float32(hex)), q), hex);
  });

  for (const [at, { logits, topK, candidates }] of vectors.top.entries()) {
    it(`chooses ${topK} of ${logits.length} (${at})`, () => {
      const all = Float32Array.from(logits, float32);
      const selection = selectCandidates({ ids: Uint32Array.from(all, (_, id) => id), logits: all }, topK, all.length);
      assert.deepEqual(selection.candidates, candidates);
      for (const [index, [id]] of selection.candidates.entries())
        assert.ok(Object.is(selection.logits[index], all[id]));
    });
  }

  it('does not depend on the order of the logits', () => {
    const entries = fc.uniqueArray(fc.tuple(fc.nat(1_000), fc.float({ noNaN: true })), {
      selector: ([id]) => id,
      minLength: 5,
      maxLength: 40,
    });
    fc.assert(
      fc.property(entries, fc.integer({ min: 1, max: 5 }), (pairs, topK) => {
        const select = (list: typeof pairs): unknown =>
          selectCandidates(
            { ids: Uint32Array.from(list, ([id]) => id), logits: Float32Array.from(list, ([, logit]) => logit) },
            topK,
            1_001,
          );
        assert.deepEqual(select([...pairs].reverse()), select(pairs));
      }),
    );
  });

  it('refuses a NaN, also among logits that are not chosen', () => {
    assert.throws(
      () => selectCandidates({ ids: Uint32Array.of(1, 2), logits: Float32Array.of(5, Number.NaN) }, 1, 300),
      RangeError,
    );
  });

  it('refuses too few logits', () => {
    assert.throws(() => selectCandidates({ ids: Uint32Array.of(1), logits: Float32Array.of(5) }, 2, 300), RangeError);
  });
});

describe('section 4.1, step 2: weights', () => {
  it(`gives all ${vectors.weights.length} weights`, () => {
    for (const [temperature, d, , weight] of vectors.weights) {
      const weights = weightsOf(
        [
          [1, 0],
          [2, -d],
        ],
        temperature,
        0,
      );
      assert.deepEqual(weights, [2 ** 32, weight], `T ${temperature}, d ${d}`);
    }
  });

  it('falls with the distance from the best', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1), (temperature, a, b) => {
        const weightAt = (d: number): number =>
          weightsOf(
            [
              [1, 2 ** 31 - 1],
              [2, 2 ** 31 - 1 - d],
            ],
            temperature,
            0,
          )[1] ?? Number.NaN;
        assert.ok(weightAt(Math.min(a, b)) >= weightAt(Math.max(a, b)));
      }),
    );
  });

  it('agrees with the definition in exact integers', () => {
    const powers = (readVectors('sampler.json') as { constants: string[] }).constants.map((hex) => BigInt(`0x${hex}`));
    const exactWeight = (d: number, temperature: number): number => {
      const x = (BigInt(d) * 24_204_406n * 100n) / (BigInt(temperature) * 262_144n);
      const weight = powers.reduce((w, power, at) => ((x >> BigInt(15 - at)) & 1n ? (w * power) >> 32n : w), 1n << 32n);
      return x >> 16n > 32n ? 0 : Number(weight >> (x >> 16n));
    };
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.oneof(fc.nat(100_000), fc.nat(2 ** 32 - 1)),
        (temperature, d) => {
          assert.equal(
            weightsOf(
              [
                [1, 2 ** 31 - 1],
                [2, 2 ** 31 - 1 - d],
              ],
              temperature,
              0,
            )[1],
            exactWeight(d, temperature),
          );
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('leaves nothing below minP of the largest', () => {
    fc.assert(
      fc.property(
        candidatesArbitrary,
        fc.integer({ min: 1, max: 200 }),
        fc.nat(100),
        (candidates, temperature, minP) => {
          const all = weightsOf(candidates, temperature, 0);
          const largest = Math.max(...all);
          assert.deepEqual(
            weightsOf(candidates, temperature, minP),
            all.map((weight) => (weight * 100 < minP * largest ? 0 : weight)),
          );
        },
      ),
    );
  });
});

describe('section 4.1, steps 3 and 4: draw and token', () => {
  for (const [at, { candidates, temperature, minP, weights, seed, i, r, token }] of vectors.cases.entries()) {
    it(`case ${at}: T ${temperature}, minP ${minP}, step ${i}`, () => {
      assert.deepEqual(weightsOf(candidates, temperature, minP), weights);
      assert.equal(drawAt(fromHex(seed), i), BigInt(r));
      assert.equal(pickToken(candidates, { temperature, minP }, BigInt(r)), token);
    });
  }

  for (const [at, { weights, ids, r, token }] of vectors.select.entries()) {
    it(`selection ${at}`, () =>
      assert.equal(
        pickWeighted(
          ids.map((id) => [id, 0]),
          weights,
          BigInt(r),
        ),
        token,
      ));
  }

  it('takes the best and lowest id at temperature 0, whatever the draw', () => {
    fc.assert(
      fc.property(candidatesArbitrary, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (candidates, draw) => {
        const best = Math.max(...candidates.map(([, q]) => q));
        assert.equal(
          pickToken(candidates, { temperature: 0, minP: 0 }, draw),
          candidates.find(([, q]) => q === best)?.[0],
        );
      }),
    );
  });
});
