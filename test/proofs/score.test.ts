import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import type { JobId } from '../../src/lib/types.ts';
import { assess } from '../../src/proofs/checks.ts';
import { Vocabulary } from '../../src/proofs/grammar/vocabulary.ts';
import { parseReceipt } from '../../src/proofs/receipt.ts';
import { compareWithReferee } from '../../src/proofs/score/compare.ts';
import { type Comparison, drawReferees, judgeReferees } from '../../src/proofs/score/referees.ts';
import type { FaultCode, Result, Tier } from '../../src/protocol/messages.ts';
import { readVectors } from '../support/vectors.ts';

interface Case {
  readonly what: string;
  readonly receipt: unknown;
  readonly vocabulary?: readonly string[];
  readonly referees: readonly {
    jobId: string;
    checks: Result;
    result: Result | null;
    fault: FaultCode | null;
    tier: Tier | null;
    rmsDq: number | null;
    meanTv: number | null;
    maxTv: number | null;
    meanMiss: number | null;
    receipt: unknown;
  }[];
  readonly expect: {
    readonly result: Result;
    readonly fault: FaultCode | null;
    readonly tier: Tier | null;
    readonly referees: readonly string[];
    readonly refereeFar: readonly string[];
  };
}

const { cases } = readVectors('score.json') as { cases: readonly Case[] };

describe('section 4.7: scores', () => {
  for (const { what, receipt, vocabulary, referees, expect } of cases) {
    const evidence = { vocabulary: vocabulary && new Vocabulary(vocabulary.map(fromHex)) };

    it(`${what}: ${expect.fault ?? expect.result}`, () => {
      const answer = parseReceipt(JSON.stringify(receipt));
      assert.equal(assess(answer, evidence).result, 'pass');
      const comparisons = referees.map((referee) => {
        const score = parseReceipt(JSON.stringify(referee.receipt));
        assert.equal(assess(score, evidence).result, referee.checks);
        const comparison = compareWithReferee(answer, score, evidence);
        assert.equal(comparison?.result ?? null, referee.result, JSON.stringify(comparison));
        assert.equal(comparison?.fault ?? null, referee.fault);
        assert.equal(comparison?.tier ?? null, referee.tier);
        for (const field of ['rmsDq', 'meanTv', 'maxTv', 'meanMiss'] as const) {
          const [actual, expected] = [comparison?.[field] ?? null, referee[field]];
          if (actual === null || expected === null) assert.equal(actual, expected, field);
          else assert.ok(Math.abs(actual - expected) <= 1, `${field}: ${actual} instead of ${expected}`);
        }
        if (comparison !== null) assert.equal(comparison.jobId, referee.jobId);
        return comparison;
      });
      const { result, fault, tier, referees: resting, farReferees } = judgeReferees(comparisons);
      assert.deepEqual({ result, fault, tier, referees: resting, refereeFar: farReferees }, expect);
    });
  }

  it('says nothing of another answer', () => {
    const [first, , , , , nudged] = cases;
    const score = parseReceipt(JSON.stringify(first?.referees[0]?.receipt));
    assert.equal(compareWithReferee(parseReceipt(JSON.stringify(nudged?.receipt)), score), null);
    const answer = parseReceipt(JSON.stringify(first?.receipt));
    assert.equal(compareWithReferee(answer, answer), null);
  });

  const comparison = (number: number, result: Result): Comparison => ({
    jobId: `${number}` as JobId,
    referee: new Uint8Array(32).fill(number),
    result,
    fault: result === 'fail' ? 'draws-far' : null,
    tier: 'statistical',
    meanTv: null,
    maxTv: null,
    rmsDq: null,
    meanMiss: null,
  });

  for (const [what, results, expected] of [
    ['no referee', [], ['inconclusive', '', '']],
    ['one fail', ['fail'], ['inconclusive', '', '']],
    ['two inconclusive', ['inconclusive', 'inconclusive'], ['inconclusive', '0 1', '']],
    ['a fail, an inconclusive, a pass', ['fail', 'inconclusive', 'pass'], ['inconclusive', '', '']],
    ['an inconclusive, two passes', ['inconclusive', 'pass', 'pass'], ['pass', '1 2', '']],
    ['two fails, an inconclusive', ['fail', 'fail', 'inconclusive'], ['fail', '0 1', '']],
    ['a fourth one', ['fail', 'pass', 'inconclusive', 'fail'], ['inconclusive', '', '']],
  ] as const) {
    it(`judges by ${what}`, () => {
      const { result, referees, farReferees } = judgeReferees(results.map((one, at) => comparison(at, one)));
      assert.deepEqual([result, referees.join(' '), farReferees.join(' ')], expected);
    });
  }

  it('pools the middle one of three referees’ misses, and those of no single one', () => {
    const found = (sums: readonly number[]) =>
      judgeReferees(
        sums.map((sum, at) => ({ ...comparison(at, 'pass'), pooled: { steps: 100, sum, limit: 5_000 } })),
        sums.length > 1 ? 2 : 1,
      ).pooled;
    assert.equal(found([900_000, 130_000, 120_000])?.sum, 130_000);
    assert.equal(found([0, 130_000, 120_000])?.sum, 120_000);
    assert.deepEqual([found([900_000]), found([900_000, 900_000])], [null, null]);
  });

  it('gives one referee one voice', () => {
    assert.equal(judgeReferees([comparison(1, 'fail'), comparison(1, 'fail')]).result, 'inconclusive');
  });

  const { referees } = readVectors('hashes.json') as {
    referees: readonly { root: string; secret: string; peers: readonly string[]; order: readonly string[] }[];
  };
  for (const { root, secret, peers, order } of referees)
    it(`draws ${peers.length} peers in this order`, () =>
      assert.deepEqual(drawReferees(fromHex(root), fromHex(secret), peers.map(fromHex)).map(toHex), order));
});
