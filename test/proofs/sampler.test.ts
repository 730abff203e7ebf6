import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex } from '../../src/lib/bytes.ts';
import { AnswerDraws } from '../../src/proofs/sampling/draws.ts';
import {
  adjustmentOf,
  drawAt,
  pickToken,
  pickWeighted,
  quantise,
  selectCandidates,
  weightsOf,
} from '../../src/proofs/sampling/sampler.ts';
import type { Candidate, ExtraSettings } from '../../src/protocol/messages.ts';
import { float32, readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly quantise: readonly { float32: string; q: number }[];
  readonly top: readonly { logits: string[]; topK: number; candidates: [number, number][] }[];
  readonly weights: readonly [temperature: number, d: number, x: number, weight: number][];
  readonly cases: readonly {
    candidates: [number, number][];
    temperature: number;
    minP: number;
    topP: number;
    settings?: ExtraSettings;
    before?: number[];
    adjusted?: number[];
    weights: number[];
    seed: string;
    at: number;
    r: string;
    token: number;
  }[];
  readonly select: readonly { weights: number[]; ids: number[]; r: string; token: number }[];
}

const vectors = readVectors('sampler.json') as Vectors;

const neutral = { temperature: 100, minP: 0, topP: 100 };

const candidatesArbitrary = fc
  .uniqueArray(fc.tuple(fc.nat(100_000), fc.integer({ min: -40_000, max: 40_000 })), {
    selector: ([id]) => id,
    minLength: 1,
    maxLength: 20,
  })
  .map((pairs): readonly Candidate[] => pairs.sort((a, b) => a[0] - b[0]));

fc.configureGlobal({ seed: 1 });

describe('section 4.1, step 1: candidates', () => {
  it('rounds every logit to the nearest 1024th, halves to even, clamped', () => {
    for (const { float32: hex, q } of vectors.quantise) assert.ok(Object.is(quantise(float32(hex)), q), hex);
  });

  for (const [at, { logits, topK, candidates }] of vectors.top.entries()) {
    it(`chooses ${topK} of ${logits.length} (${at})`, () => {
      const all = Float32Array.from(logits, float32);
      const selection = selectCandidates(
        { ids: Uint32Array.from(all, (_, id) => id), logits: all },
        Math.min(topK, all.length),
      );
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
          );
        assert.deepEqual(select([...pairs].reverse()), select(pairs));
      }),
    );
  });

  it('refuses a NaN, also among logits that are not chosen', () => {
    assert.throws(
      () => selectCandidates({ ids: Uint32Array.of(1, 2), logits: Float32Array.of(5, Number.NaN) }, 1),
      RangeError,
    );
  });

  it('refuses too few logits', () => {
    assert.throws(() => selectCandidates({ ids: Uint32Array.of(1), logits: Float32Array.of(5) }, 2), RangeError);
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
        { ...neutral, temperature },
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
            { ...neutral, temperature },
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
              { ...neutral, temperature },
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
          const all = weightsOf(candidates, { ...neutral, temperature });
          const largest = Math.max(...all);
          assert.deepEqual(
            weightsOf(candidates, { ...neutral, temperature, minP }),
            all.map((weight) => (weight * 100 < minP * largest ? 0 : weight)),
          );
        },
      ),
    );
  });
});

describe('section 4.1, steps 3 and 4: draw and token', () => {
  for (const [index, vector] of vectors.cases.entries()) {
    const { candidates, temperature, minP, topP, settings = {}, before = [], weights, seed, at, r, token } = vector;
    it(`case ${index}: T ${temperature}, minP ${minP}, topP ${topP}, step ${at}`, () => {
      const answer = before.slice(0, at);
      const countOf = (id: number): number => answer.filter((one) => one === id).length;
      const adjusted = adjustmentOf(settings)(candidates, countOf);
      assert.deepEqual(
        adjusted.map(([, q]) => q),
        vector.adjusted ?? candidates.map(([, q]) => q),
      );
      const weighing = { temperature, minP, topP };
      assert.deepEqual(weightsOf(adjusted, weighing), weights);
      assert.equal(drawAt(fromHex(seed), at), BigInt(r));
      assert.equal(pickToken(adjusted, weighing, BigInt(r)), token);
      if (before.length === 0) return;
      const draws = new AnswerDraws({ seed: fromHex(seed), weighing, extra: settings });
      for (const one of answer) draws.add(one);
      assert.equal(draws.pick(candidates), token);
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
          pickToken(candidates, { ...neutral, temperature: 0 }, draw),
          candidates.find(([, q]) => q === best)?.[0],
        );
      }),
    );
  });
});
