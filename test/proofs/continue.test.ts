import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assess } from '../../src/proofs/checks.ts';
import { decodeReceipt, parseReceipt } from '../../src/proofs/receipt.ts';
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

  it('counts the misses of a job’s own tokens alone as evidence about its provider', () => {
    const json = vectors.sets.flatMap(({ receipts }) => receipts.slice(1)).at(-1);
    const receipt = parseReceipt(JSON.stringify(json));
    const { offer } = decodeReceipt(receipt);
    const { start, sampler } = offer;
    const answer = [...(receipt.input?.continuation ?? []), ...receipt.tokens];
    assert.ok(start > 0 && sampler.temperature >= 50);
    // All tokens before the job are as far as they can be from what is recomputed, its own are certain.
    const steps = answer.map((token, at) => {
      const others = Array.from({ length: 39 }, (_, add) => (token + 1 + add) % sampler.vocab);
      const certain = at < start ? (others[0] ?? 0) : token;
      const ids = Uint32Array.from([certain, ...others.filter((id) => id !== certain)]);
      return { ids, logits: Float32Array.from(ids, (id) => (id === certain ? 60 : 0)) };
    });
    const replay = { tier: 'statistical', execClass: new Uint8Array(32), steps } as const;
    const { pooled, inContinuation } = assess({ ...receipt, opening: null, secret: null }, { replay });
    assert.deepEqual([pooled, inContinuation], [{ steps: receipt.tokens.length, sum: 0, limit: 5_000 }, true]);
  });
});
