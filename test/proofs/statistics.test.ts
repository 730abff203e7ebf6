import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex } from '../../src/lib/bytes.ts';
import { defaultLimits, type Limits } from '../../src/proofs/calibration.ts';
import { type Assessment, assess } from '../../src/proofs/checks.ts';
import { missOf, squareDq, totalVariation, withNearMiss } from '../../src/proofs/divergence.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import { decodeReceipt, parseReceipt, type Receipt } from '../../src/proofs/receipt.ts';
import { drawAt, pickToken } from '../../src/proofs/sampler.ts';
import { distancesOf, judgeDistances, judgeDraws, meanMissOf } from '../../src/proofs/thresholds.ts';
import type { Candidate, Result } from '../../src/protocol/messages.ts';
import { float32, readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly tv: readonly { a: Candidate[]; b: Candidate[]; tv: number }[];
  readonly rmsDq: readonly {
    topK: number;
    vocab: number;
    steps: readonly { committed: Candidate[]; recomputed: Candidate[] }[];
    rmsDq: number;
  }[];
  readonly judge: readonly {
    tvs: number[];
    squares: number[];
    limits: Limits | null;
    result: Result;
    meanTv: number | null;
    maxTv: number | null;
    rmsDq: number | null;
  }[];
  readonly miss: readonly {
    candidates: Candidate[];
    token: number;
    temperature: number;
    minP: number;
    seed: string;
    i: number;
    r: string;
    miss: number;
  }[];
  readonly judgeDraws: readonly {
    temperature: number;
    misses: number[];
    limits: Limits | null;
    result: Result;
    meanMiss: number | null;
  }[];
  readonly exact: readonly {
    what: string;
    recomputed: ([number, string][] | null)[];
    result: Result;
    fault: string | null;
    receipt: unknown;
  }[];
  readonly receipts: readonly {
    what: string;
    recomputed: Candidate[][];
    misses: number[];
    result: Result;
    fault: string | null;
    meanTv: number;
    maxTv: number;
    rmsDq: number;
    meanMiss: number;
    receipt: unknown;
  }[];
}

const vectors = readVectors('statistics.json') as Vectors;
const ownClass = new Uint8Array(32).fill(9);

/** Floats are computed: a millionth more or less is right. */
function assertMillionths(actual: number | null, expected: number | null, what: string): void {
  if (actual === null || expected === null) assert.equal(actual, expected, what);
  else
    assert.ok(
      Math.abs(actual - expected) <= Math.max(1, expected * 1e-12),
      `${what}: ${actual} instead of ${expected}`,
    );
}

const millionths = (value: number): number => Math.round(value * 1_000_000);

describe('section 4.4: single steps', () => {
  it(`gives all ${vectors.tv.length} total variations`, () => {
    for (const { a, b, tv } of vectors.tv) {
      assertMillionths(millionths(totalVariation(a, b)), tv, JSON.stringify(a));
      assertMillionths(millionths(totalVariation(b, a)), tv, JSON.stringify(b));
    }
  });

  it(`gives all ${vectors.rmsDq.length} rmsDq`, () => {
    for (const { topK, vocab, steps, rmsDq } of vectors.rmsDq) {
      const squares = steps.map(({ committed, recomputed }) => squareDq(committed, recomputed, { topK, vocab }));
      assertMillionths(
        distancesOf(
          squares.map(() => 0),
          squares,
        ).rmsDq,
        rmsDq,
        `topK ${topK}`,
      );
    }
  });

  it(`gives all ${vectors.miss.length} misses`, () => {
    for (const { candidates, token, temperature, minP, seed, i, r, miss } of vectors.miss) {
      assert.equal(drawAt(fromHex(seed), i), BigInt(r));
      assertMillionths(
        millionths(missOf(candidates, token, { temperature, minP }, BigInt(r))),
        miss,
        `token ${token}, T ${temperature}, step ${i}`,
      );
    }
  });

  it('is none for the token that the draw gives, and at most one for others', () => {
    const candidates = fc
      .uniqueArray(fc.tuple(fc.nat(999), fc.integer({ min: 0, max: 4_000 })), {
        selector: ([id]) => id,
        minLength: 1,
        maxLength: 8,
      })
      .map((pairs): readonly Candidate[] => pairs.sort((a, b) => a[0] - b[0]));
    fc.assert(
      fc.property(
        candidates,
        fc.integer({ min: 1, max: 200 }),
        fc.nat(100),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (list, temperature, minP, draw) => {
          const sampler = { temperature, minP };
          assert.equal(missOf(list, pickToken(list, sampler, draw), sampler, draw), 0);
          for (const miss of list.map(([id]) => missOf(list, id, sampler, draw))) assert.ok(miss >= 0 && miss <= 1);
          assert.equal(missOf(list, 1_000, sampler, draw), 1);
        },
      ),
    );
  });
});

describe('a token that other rounding made a candidate', () => {
  const candidates: readonly Candidate[] = [
    [3, 2_000],
    [5, 1_000],
    [8, 1_500],
  ];
  const top = (token: number, logit: number): TopLogits => ({
    ids: Uint32Array.of(3, 8, 5, 1, token),
    logits: Float32Array.of(2_000 / 1024, 1_500 / 1024, 1_000 / 1024, 999 / 1024, logit),
  });

  it('takes the place of the last one, by id, where it came within half a nat', () => {
    assert.deepEqual(withNearMiss(candidates, 6, top(6, 990 / 1024)), [
      [3, 2_000],
      [6, 990],
      [8, 1_500],
    ]);
    assert.deepEqual(withNearMiss(candidates, 6, top(6, 488 / 1024)), [
      [3, 2_000],
      [6, 488],
      [8, 1_500],
    ]);
    assert.deepEqual(withNearMiss(candidates, 1, top(6, 990 / 1024)), [
      [1, 999],
      [3, 2_000],
      [8, 1_500],
    ]);
    // Then only the draw tells; before, one such step cost an honest answer of 64 tokens its verdict.
    const sampler = { temperature: 100, minP: 5 };
    const near = withNearMiss(candidates, 6, top(6, 990 / 1024));
    assert.equal(missOf(near, 6, sampler, (2n ** 64n * 6n) / 10n), 0);
    assert.equal(missOf(candidates, 6, sampler, (2n ** 64n * 6n) / 10n), 1);
    assert.ok(missOf(near, 6, sampler, 2n ** 64n - 1n) > 0.1);
  });

  it('stays outside where it was never near, was not looked at, or is one already', () => {
    assert.equal(withNearMiss(candidates, 6, top(6, 487 / 1024)), candidates);
    assert.equal(withNearMiss(candidates, 6, top(6, Number.NaN)), candidates);
    assert.equal(withNearMiss(candidates, 7, top(6, 990 / 1024)), candidates);
    assert.equal(withNearMiss(candidates, 8, top(6, 990 / 1024)), candidates);
  });
});

describe('section 6: thresholds', () => {
  for (const [at, { tvs, squares, limits, result, meanTv, maxTv, rmsDq }] of vectors.judge.entries()) {
    it(`6b, ${tvs.length} steps: ${result} (${at})`, () => {
      const distances = distancesOf(tvs, squares);
      assertMillionths(distances.meanTv, meanTv, 'meanTv');
      assertMillionths(distances.maxTv, maxTv, 'maxTv');
      assertMillionths(distances.rmsDq, rmsDq, 'rmsDq');
      assert.equal(judgeDistances(distances, limits ?? defaultLimits), result);
    });
  }

  for (const [at, { temperature, misses, limits, result, meanMiss }] of vectors.judgeDraws.entries()) {
    it(`6c, ${misses.length} steps at T ${temperature}: ${result} (${at})`, () => {
      const mean = meanMissOf(misses);
      assertMillionths(mean, meanMiss, 'meanMiss');
      assert.equal(judgeDraws(mean, misses.length, temperature, limits ?? defaultLimits), result);
    });
  }
});

/** Logits that round to the candidates. */
function logitsOf(candidates: readonly Candidate[]): TopLogits {
  return {
    ids: Uint32Array.from(candidates, ([id]) => id),
    logits: Float32Array.from(candidates, ([, q]) => q / 1024),
  };
}

/** Check 5 as whoever has the tokenizer would find it for an honest answer. */
function honestPrompt(receipt: Receipt): {
  promptTokens: readonly number[];
  vocab: number;
  stops: readonly number[];
  text: string;
} {
  const { vocab, stops } = decodeReceipt(receipt).offer.sampler;
  return { promptTokens: receipt.promptTokens, vocab, stops, text: receipt.text };
}

function failed({ checks }: Assessment): readonly string[] {
  return checks.filter(({ result }) => result === 'fail').map(({ name }) => name);
}

describe('check 6a on whole answers', () => {
  for (const { what, recomputed, result, fault, receipt } of vectors.exact) {
    it(`${what}: ${result}`, () => {
      const parsed = parseReceipt(JSON.stringify(receipt));
      const steps = recomputed.map(
        (logits) =>
          logits && {
            ids: Uint32Array.from(logits, ([id]) => id),
            logits: Float32Array.from(logits, ([, hex]) => float32(hex)),
          },
      );
      const assessment = assess(parsed, {
        prompt: honestPrompt(parsed),
        replay: { tier: 'exact', execClass: ownClass, steps },
      });
      assert.equal(assessment.result, result, JSON.stringify(assessment.checks));
      assert.deepEqual(assessment.faults, fault === null ? [] : [fault]);
      assert.deepEqual(failed(assessment), fault === null ? [] : ['execution']);
      assert.equal(assessment.tier, parsed.opening === null && result !== 'fail' ? 'text' : 'exact');
      assert.deepEqual(assessment.execClass, ownClass);
      assert.equal(assessment.meanTv, null);
      assert.equal(assessment.meanMiss, null);
    });
  }
});

describe('checks 6b and 6c on whole answers', () => {
  for (const { what, recomputed, misses, result, fault, receipt, ...expected } of vectors.receipts) {
    it(`${what}: ${fault ?? result}`, () => {
      const parsed = parseReceipt(JSON.stringify(receipt));
      const { seed, sampler } = decodeReceipt(parsed).offer;
      for (const [i, candidates] of recomputed.entries()) {
        assertMillionths(
          millionths(missOf(candidates, parsed.tokens[i] ?? -1, sampler, drawAt(seed, i))),
          misses[i] ?? null,
          `miss at ${i}`,
        );
      }
      const replay = { tier: 'statistical', execClass: ownClass, steps: recomputed.map(logitsOf) } as const;
      const assessment = assess(parsed, { prompt: honestPrompt(parsed), replay });
      assert.equal(assessment.result, result);
      assert.equal(assessment.tier, 'statistical');
      assert.deepEqual(assessment.faults, fault === null ? [] : [fault]);
      assert.deepEqual(failed(assessment), fault === null ? [] : [fault === 'draws-far' ? 'draws' : 'distribution']);
      for (const field of ['meanTv', 'maxTv', 'rmsDq', 'meanMiss'] as const)
        assertMillionths(assessment[field], expected[field], field);
      assert.equal(assess(parsed, { replay }).tier, fault === null ? 'sampling' : 'statistical');
    });
  }

  const honest = vectors.receipts[0];
  assert.ok(honest !== undefined);
  const receipt = parseReceipt(JSON.stringify(honest.receipt));
  const steps = honest.recomputed.map(logitsOf);
  const prompt = honestPrompt(receipt);
  const statistical = (given: readonly (TopLogits | null)[], from: Receipt = receipt): Assessment =>
    assess(from, { prompt, replay: { tier: 'statistical', execClass: ownClass, steps: given } });

  it('uses the limits of a calibration and names it', () => {
    const digest = new Uint8Array(32).fill(3);
    const limits = { ...defaultLimits, meanTv: 1_000 };
    const assessment = assess(receipt, {
      prompt,
      replay: { tier: 'statistical', execClass: ownClass, steps },
      calibration: { digest, limits },
    });
    assert.deepEqual(assessment.faults, ['distribution-far']);
    assert.deepEqual(assessment.calibration, digest);
  });

  it('is inconclusive where one step was not recomputed, opened or not', () => {
    for (const at of [0, 1])
      assert.equal(statistical(steps.map((step, i) => (i === at ? null : step))).result, 'inconclusive');
    assert.equal(statistical(steps.slice(0, -1)).result, 'inconclusive');
    const noNumbers = steps.map((step, i) => (i === 5 ? { ...step, logits: step.logits.map(() => Number.NaN) } : step));
    assert.equal(statistical(noNumbers).result, 'inconclusive');
  });

  it('says text at most where nothing was opened, with the draws checked all the same', () => {
    const unopened = statistical(steps, { ...receipt, opening: null, secret: null });
    assert.deepEqual(
      [unopened.result, unopened.tier, unopened.meanTv, unopened.count],
      ['inconclusive', 'text', null, 0],
    );
    assert.ok(unopened.meanMiss !== null);
    const nudged = vectors.receipts.find(({ fault }) => fault === 'draws-far');
    assert.ok(nudged !== undefined);
    const caught = parseReceipt(JSON.stringify(nudged.receipt));
    const evidence = {
      prompt: honestPrompt(caught),
      replay: { tier: 'statistical', execClass: ownClass, steps: nudged.recomputed.map(logitsOf) },
    } as const;
    const without = assess({ ...caught, opening: null, secret: null }, evidence);
    assert.deepEqual([without.result, without.tier, without.faults], ['fail', 'statistical', ['draws-far']]);
  });
});

describe('check 5', () => {
  const receipt = parseReceipt(JSON.stringify((readVectors('receipt-pass.json') as { receipt: unknown }).receipt));
  const prompt = honestPrompt(receipt);

  it('passes with the same prompt, vocabulary, stops and text', () => {
    const assessment = assess(receipt, { prompt });
    assert.deepEqual([assessment.result, assessment.tier], ['pass', 'text']);
  });

  for (const [what, changes, fault] of [
    ['an input that had to be refused', { promptTokens: null }, 'prompt-mismatch'],
    ['a system prompt in front', { promptTokens: [1, ...prompt.promptTokens] }, 'prompt-mismatch'],
    ['a question cut short', { promptTokens: prompt.promptTokens.slice(0, -1) }, 'prompt-mismatch'],
    ['another vocabulary', { vocab: prompt.vocab + 1 }, 'prompt-mismatch'],
    ['other stops', { stops: [...prompt.stops, 1] }, 'prompt-mismatch'],
    ['another text', { text: `${prompt.text} ` }, 'text-mismatch'],
  ] as const) {
    it(`fails for ${what}`, () => {
      const assessment = assess(receipt, {
        prompt: { ...prompt, ...changes },
        replay: { tier: 'exact', execClass: ownClass, steps: [] },
      });
      assert.deepEqual([assessment.result, assessment.tier, assessment.faults], ['fail', 'text', [fault]]);
      assert.equal(assessment.execClass, null);
    });
  }

  it('is not reached with a private prompt', () => {
    const assessment = assess({ ...receipt, input: null }, { prompt });
    assert.deepEqual([assessment.result, assessment.tier], ['pass', 'sampling']);
  });
});
