import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { checkIndependently } from '../support/independent-checker.ts';
import { readVectors } from '../support/vectors.ts';

const files = ['receipts-pass', 'receipts-bad'].flatMap((folder) =>
  readdirSync(new URL(`../vectors/${folder}`, import.meta.url)).map((name) => `${folder}/${name}`),
);

describe('a checker that shares nothing with the product', () => {
  for (const file of files) {
    const { about, expect, receipt, vocabulary } = readVectors(file) as {
      about: string;
      expect: { result: string; fault: string | null };
      receipt: unknown;
      vocabulary?: readonly string[];
    };
    it(`judges ${file} as the vectors do: ${about}`, () => {
      const bytes = vocabulary?.map((hex) => Buffer.from(hex, 'hex')) ?? null;
      const { result, fault } = checkIndependently(JSON.stringify(receipt), bytes);
      assert.deepEqual({ result, fault }, { result: expect.result, fault: expect.fault });
    });
  }

  const { receipts } = readVectors('receipt-text.json') as {
    receipts: readonly { what: string; receipt: string; result: string }[];
  };
  for (const { what, receipt, result } of receipts)
    it(`judges the text of a receipt: ${what}`, () => assert.equal(checkIndependently(receipt).result, result));

  const { cases } = readVectors('score.json') as {
    cases: readonly {
      what: string;
      receipt: unknown;
      vocabulary?: readonly string[];
      referees: readonly { jobId: string; checks: string; receipt: unknown }[];
    }[];
  };
  for (const { what, receipt, vocabulary, referees } of cases) {
    it(`judges an answer and its score jobs: ${what}`, () => {
      const bytes = vocabulary?.map((hex) => Buffer.from(hex, 'hex')) ?? null;
      assert.equal(checkIndependently(JSON.stringify(receipt), bytes).result, 'pass');
      for (const { checks, receipt: score } of referees)
        assert.equal(checkIndependently(JSON.stringify(score), bytes).result, checks);
    });
  }
});
