import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex } from '../../src/lib/bytes.ts';
import { defaultLimits, type Limits } from '../../src/proofs/calibration.ts';
import { replayAnswer } from '../../src/proofs/checks/replay.ts';
import { subjectOf } from '../../src/proofs/checks/subject.ts';
import { type Assessment, assess } from '../../src/proofs/checks.ts';
import { Vocabulary } from '../../src/proofs/grammar/vocabulary.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import { decodeReceipt, parseReceipt, type Receipt } from '../../src/proofs/receipt.ts';
import { adjustmentOf, drawAt, pickToken, quantise } from '../../src/proofs/sampling/sampler.ts';
import { missOf, recomputedStep, squareDq, totalVariation } from '../../src/proofs/statistics/divergence.ts';
import { distancesOf, judgeDistances, judgeDraws, meanMissOf } from '../../src/proofs/statistics/thresholds.ts';
import type { Candidate, ExtraSettings, Result, Tier } from '../../src/protocol/messages.ts';
import { float32, readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly tv: readonly { a: Candidate[]; b: Candidate[]; tv: number }[];
  readonly rmsDq: readonly {
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
    following?: Candidate[];
    settings?: ExtraSettings;
    before?: number[];
    temperature: number;
    minP: number;
    topP: number;
    seed: string;
    at: number;
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
    following?: Candidate[][];
    result: Result;
    fault: string | null;
    tier: Tier;
    meanMiss: number | null;
    receipt: unknown;
  }[];
  readonly receipts: readonly {
    what: string;
    recomputed: Candidate[][];
    following: Candidate[][];
    misses: number[];
    result: Result;
    fault: string | null;
    meanTv: number | null;
    maxTv: number | null;
    rmsDq: number | null;
    meanMiss: number | null;
    vocabulary?: string[];
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
    for (const { steps, rmsDq } of vectors.rmsDq) {
      const squares = steps.map(({ committed, recomputed }) => squareDq(committed, recomputed));
      const tvs = squares.map(() => 0);
      assertMillionths(distancesOf(tvs, squares).rmsDq, rmsDq, JSON.stringify(steps));
    }
  });

  it(`gives all ${vectors.miss.length} misses`, () => {
    for (const vector of vectors.miss) {
      const { candidates, following = [], token, settings = {}, before = [], seed, at, r, miss } = vector;
      const answer = before.slice(0, at);
      const adjustAll = adjustmentOf(settings);
      const adjust = (list: readonly Candidate[]) => adjustAll(list, (id) => answer.filter((one) => one === id).length);
      assert.equal(drawAt(fromHex(seed), at), BigInt(r));
      const found = missOf({ candidates, following }, token, { weighing: vector, draw: BigInt(r), adjust });
      assertMillionths(millionths(found), miss, JSON.stringify(vector));
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
    const weighings = fc.record({
      temperature: fc.integer({ min: 1, max: 200 }),
      minP: fc.nat(100),
      topP: fc.integer({ min: 1, max: 100 }),
    });
    fc.assert(
      fc.property(candidates, weighings, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (list, weighing, draw) => {
        const missAt = (token: number): number =>
          missOf({ candidates: list, following: [] }, token, { weighing, draw, adjust: (all) => all });
        assert.equal(missAt(pickToken(list, weighing, draw)), 0);
        for (const miss of list.map(([id]) => missAt(id))) assert.ok(miss >= 0 && miss <= 1);
        assert.equal(missAt(1_000), 1);
      }),
      { seed: 1 },
    );
  });

  it('looks at the 20 tokens that follow the candidates', () => {
    const logits = Float32Array.from({ length: 40 }, (_, at) => 10 - at / 8);
    const step = recomputedStep({ ids: Uint32Array.from(logits.keys()), logits }, 5);
    assert.deepEqual(
      step.candidates,
      Array.from({ length: 5 }, (_, id) => [id, quantise(logits[id] ?? 0)]),
    );
    assert.deepEqual(
      step.following.map(([id]) => id),
      Array.from({ length: 35 }, (_, at) => at + 5),
    );
    // The last candidate lies at 9.5, half a nat above the tokens at 9.
    const weighing = { temperature: 0, minP: 0, topP: 100 };
    const miss = (token: number): number => missOf(step, token, { weighing, draw: 0n, adjust: (all) => all });
    assert.deepEqual([4, 8, 9, 24].map(miss), [0.5, 1, 1, 1]);
    const warm = { ...weighing, temperature: 200 };
    const missWarm = (token: number): number =>
      missOf(step, token, { weighing: warm, draw: 2n ** 64n - 1n, adjust: (all) => all });
    assert.deepEqual([8, 9].map(missWarm), [0, 1]);
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

/** Logits that round to the candidates and to those that follow them, and keep the two apart. */
function logitsOf(candidates: readonly Candidate[], following: readonly Candidate[] = []): TopLogits {
  const all = [...candidates, ...following];
  return {
    ids: Uint32Array.from(all, ([id]) => id),
    logits: Float32Array.from(all, ([, q], at) => (q + (at < candidates.length ? 0.25 : 0)) / 1024),
  };
}

/** Check 5 as the holder of the tokenizer would find it for an honest answer. */
function honestPrompt(receipt: Receipt) {
  const { vocab, stops } = decodeReceipt(receipt).offer.sampler;
  return { promptTokens: receipt.promptTokens, vocab, stops, text: receipt.text };
}

function failed({ checks }: Assessment): readonly string[] {
  return checks.filter(({ result }) => result === 'fail').map(({ name }) => name);
}

describe('check 6a on whole answers', () => {
  for (const { what, recomputed, following, result, fault, tier, meanMiss, receipt } of vectors.exact) {
    it(`${what}: ${result}`, () => {
      const parsed = parseReceipt(JSON.stringify(receipt));
      const steps = recomputed.map((logits, at): TopLogits | null => {
        if (logits === null) return null;
        const after = following?.[at] ?? [];
        return {
          ids: Uint32Array.from([...logits, ...after], ([id]) => id),
          logits: Float32Array.from([...logits.map(([, hex]) => float32(hex)), ...after.map(([, q]) => q / 1024)]),
        };
      });
      const assessment = assess(parsed, {
        prompt: honestPrompt(parsed),
        replay: { tier: 'exact', execClass: ownClass, steps },
      });
      assert.equal(assessment.result, result, JSON.stringify(assessment.checks));
      assert.deepEqual(assessment.faults, fault === null ? [] : [fault]);
      assert.deepEqual(failed(assessment), fault === null ? [] : [fault === 'draws-far' ? 'draws' : 'execution']);
      const isUnopened = parsed.opening === null && result === 'inconclusive';
      assert.equal(assessment.tier, isUnopened ? 'text' : tier);
      assert.deepEqual(assessment.execClass, ownClass);
      assert.equal(assessment.meanTv, null);
      assertMillionths(assessment.meanMiss, meanMiss, 'meanMiss');
    });
  }
});

describe('checks 6b and 6c on whole answers', () => {
  for (const {
    what,
    recomputed,
    following,
    misses,
    result,
    fault,
    vocabulary,
    receipt,
    ...expected
  } of vectors.receipts) {
    it(`${what}: ${fault ?? result}`, () => {
      const parsed = parseReceipt(JSON.stringify(receipt));
      const evidence = { vocabulary: vocabulary && new Vocabulary(vocabulary.map(fromHex)) };
      const steps = recomputed.map((candidates, at) => logitsOf(candidates, following[at]));
      const replay = { tier: 'statistical', execClass: ownClass, steps } as const;
      for (const [at, step] of replayAnswer(subjectOf(parsed), replay, evidence).entries()) {
        assert.deepEqual(step?.candidates, recomputed[at], `candidates of step ${at}`);
        assertMillionths(millionths(step?.miss ?? Number.NaN), misses[at] ?? null, `miss at ${at}`);
      }
      const assessment = assess(parsed, { ...evidence, prompt: honestPrompt(parsed), replay });
      assert.equal(assessment.result, result, JSON.stringify(assessment.checks));
      assert.equal(assessment.tier, 'statistical');
      assert.deepEqual(assessment.faults, fault === null ? [] : [fault]);
      assert.deepEqual(failed(assessment), fault === null ? [] : [fault === 'draws-far' ? 'draws' : 'distribution']);
      for (const field of ['meanTv', 'maxTv', 'rmsDq', 'meanMiss'] as const)
        assertMillionths(assessment[field], expected[field], field);
      assert.equal(assess(parsed, { ...evidence, replay }).tier, fault === null ? 'sampling' : 'statistical');
    });
  }

  const honest = vectors.receipts[0];
  assert.ok(honest !== undefined);
  const receipt = parseReceipt(JSON.stringify(honest.receipt));
  const steps = honest.recomputed.map((candidates) => logitsOf(candidates));
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

  it('is inconclusive if one step was not recomputed, opened or not', () => {
    for (const at of [0, 1])
      assert.equal(statistical(steps.map((step, i) => (i === at ? null : step))).result, 'inconclusive');
    assert.equal(statistical(steps.slice(0, -1)).result, 'inconclusive');
    const noNumbers = steps.map((step, i) => (i === 5 ? { ...step, logits: step.logits.map(() => Number.NaN) } : step));
    assert.equal(statistical(noNumbers).result, 'inconclusive');
  });

  it('is inconclusive with a grammar whose vocabulary is not known', () => {
    const vector = vectors.receipts.find(({ vocabulary }) => vocabulary !== undefined);
    assert.ok(vector !== undefined);
    const parsed = parseReceipt(JSON.stringify(vector.receipt));
    const replay = {
      tier: 'statistical',
      execClass: ownClass,
      steps: vector.recomputed.map((candidates) => logitsOf(candidates)),
    } as const;
    const { result, meanMiss } = assess(parsed, { prompt: honestPrompt(parsed), replay });
    assert.deepEqual([result, meanMiss], ['inconclusive', null]);
  });

  it('says text at most if nothing was opened, with the draws checked all the same', () => {
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
      replay: {
        tier: 'statistical',
        execClass: ownClass,
        steps: nudged.recomputed.map((candidates) => logitsOf(candidates)),
      },
    } as const;
    const without = assess({ ...caught, opening: null, secret: null }, evidence);
    assert.deepEqual([without.result, without.tier, without.faults], ['fail', 'statistical', ['draws-far']]);
  });
});

describe('check 5', () => {
  const { receipt: json } = readVectors('receipts-pass/paid.json') as { receipt: unknown };
  const receipt = parseReceipt(JSON.stringify(json));
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
