import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assess } from '../../src/proofs/checks.ts';
import { parseReceipt } from '../../src/proofs/receipt.ts';
import { jobIdOf } from '../../src/protocol/digests.ts';
import { readVectors } from '../support/vectors.ts';

interface Pieces {
  readonly what: string;
  readonly sent: readonly (readonly number[])[];
  readonly texts: readonly string[];
  readonly receipts: readonly unknown[];
}

interface Vectors {
  readonly one: unknown;
  readonly sets: readonly Pieces[];
  readonly counted: Pieces & { readonly one: unknown };
}

const vectors = readVectors('continue.json') as Vectors;

describe('section 4.6: an answer in pieces', () => {
  for (const { what, sent, texts, receipts, one } of [
    ...vectors.sets.map((set) => ({ ...set, one: vectors.one })),
    vectors.counted,
  ]) {
    it(what, () => {
      const whole = parseReceipt(JSON.stringify(one));
      assert.equal(assess(whole, {}).result, 'pass');
      assert.deepEqual(sent.flat(), whole.tokens);
      assert.equal(texts.join(''), whole.text);
      let previous: string | null = null;
      const before: number[] = [];
      for (const [at, json] of receipts.entries()) {
        const receipt = parseReceipt(JSON.stringify(json));
        const assessment = assess(receipt, {});
        assert.equal(assessment.result, receipt.opening === null ? 'inconclusive' : 'pass');
        assert.deepEqual(assessment.faults, []);
        assert.equal(receipt.previous, previous);
        assert.deepEqual(receipt.input?.continuation, before);
        assert.deepEqual(receipt.tokens, sent[at]?.slice(0, receipt.tokens.length));
        assert.ok(texts[at]?.startsWith(receipt.text));
        previous = jobIdOf(receipt.offer.body);
        before.push(...(sent[at] ?? []));
      }
    });
  }
});
