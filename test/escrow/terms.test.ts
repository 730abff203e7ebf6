import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { JobAccount, JobTerms } from '../../src/escrow/escrow.ts';
import { deliveryOf, differingTerms, isSubmitted, termsOf } from '../../src/escrow/terms.ts';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { decodeHead } from '../../src/proofs/head.ts';
import { decodeOffer, decodeQuote } from '../../src/protocol/validate.ts';
import vector from '../vectors/job.json' with { type: 'json' };

const offer = decodeOffer(fromHex(vector.offerBody));
const quote = decodeQuote(fromHex(vector.quoteBody));
const agreed = termsOf(offer, fromHex(vector.offerBody), quote);
const head = decodeHead(fromHex(vector.heads[1]?.body ?? ''));

describe('the terms of a job', () => {
  test('are those of the offer and the quote', () => {
    assert.equal(toHex(agreed.jobId), vector.jobId);
    assert.deepEqual(
      [toHex(agreed.peer), toHex(agreed.clientPeer)],
      [vector.keys.provider.publicKey, vector.keys.client.publicKey],
    );
    assert.deepEqual(
      [agreed.priceIn, agreed.priceOut, agreed.amount],
      [BigInt(quote.priceIn), BigInt(quote.priceOut), 291n],
    );
    assert.equal(toHex(agreed.seed), vector.offer.seed.hex);
    assert.deepEqual([agreed.sampler, agreed.maxTokens], [{ temperature: 70, minP: 0, topK: 20, vocab: 300 }, 64]);
  });

  test('that differ are named, one by one', () => {
    const other = new Uint8Array(32);
    const changes: Readonly<Record<string, Partial<JobTerms>>> = {
      'job id': { jobId: other },
      "the provider's node": { peer: other },
      "the client's node": { clientPeer: other },
      'price of the prompt': { priceIn: agreed.priceIn + 1n },
      'price of the answer': { priceOut: agreed.priceOut + 1n },
      amount: { amount: agreed.amount - 1n },
      seed: { seed: other },
      temperature: { sampler: { ...agreed.sampler, temperature: 71 } },
      minP: { sampler: { ...agreed.sampler, minP: 1 } },
      topK: { sampler: { ...agreed.sampler, topK: 19 } },
      vocabulary: { sampler: { ...agreed.sampler, vocab: 301 } },
      'most tokens': { maxTokens: 65 },
    };
    for (const [name, change] of Object.entries(changes))
      assert.deepEqual(differingTerms({ ...agreed, ...change }, agreed), [name]);
    assert.deepEqual(differingTerms(agreed, agreed), []);
  });
});

describe('what is submitted', () => {
  const submitted = (change: object) =>
    ({
      ...agreed,
      submitted: {
        root: head.root,
        textDigest: head.textDigest,
        promptCount: head.promptCount,
        tokenCount: head.n,
        finish: head.finish,
        ...change,
      },
    }) as JobAccount;

  test('is compared with the head that was received', () => {
    assert.equal(isSubmitted(submitted({}), head), true);
    for (const change of [
      { root: new Uint8Array(32) },
      { textDigest: new Uint8Array(32) },
      { promptCount: 24 },
      { tokenCount: 37 },
      { finish: 1 },
    ])
      assert.equal(isSubmitted(submitted(change), head), false);
    assert.equal(isSubmitted({ ...submitted({}), submitted: null }, head), false);
  });

  test('are the fields of the final head, with the cancel where there was one', () => {
    const { root, textDigest, promptCount } = head;
    const fields = { root, textDigest, promptCount, tokenCount: 38 };
    assert.deepEqual(deliveryOf(head, null), { ...fields, finish: 0, cancel: null });
    const sig = new Uint8Array(64).fill(1);
    const cancel = { body: { v: 1 as const, jobId: agreed.jobId, n: 10 }, signed: { body: new Uint8Array(), sig } };
    assert.deepEqual(deliveryOf({ ...head, finish: 2 }, cancel), { ...fields, finish: 2, cancel: { n: 10, sig } });
    assert.deepEqual(deliveryOf(head, cancel).cancel, null, 'one that crossed the final head');
  });
});
