import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import { checkIndependently } from '../support/independent-checker.ts';
import { readVectors } from '../support/vectors.ts';

const files = ['receipts-pass', 'receipts-bad'].flatMap((folder) =>
  readdirSync(new URL(`../vectors/${folder}`, import.meta.url)).map((name) => `${folder}/${name}`),
);

describe('a checker that shares nothing with the product', () => {
  for (const file of ['receipt-pass.json', ...files]) {
    const { about, expect, receipt } = readVectors(file) as {
      about: string;
      expect: { result: string; fault: string | null };
      receipt: unknown;
    };
    it(`judges ${file} as the vectors do: ${about}`, () => {
      const { result, fault } = checkIndependently(JSON.stringify(receipt));
      assert.deepEqual(
        { result, fault },
        { result: expect.result, fault: expect.result === 'malformed' ? null : expect.fault },
      );
    });
  }
});
