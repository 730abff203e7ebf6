import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isSubmitted, payoutOf } from '../../src/escrow/payout.ts';
import vectors from '../vectors/price.json' with { type: 'json' };
import { World } from './world.ts';

const max = 2n ** 64n - 1n;

describe('what a provider gets', () => {
  test('is the price of the vectors', () => {
    for (const { promptCount, n, acked, grace, channel, score, price, ...prices } of vectors.prices) {
      // Where nothing was acknowledged, nothing can be submitted.
      if (acked === null) continue;
      const paidCount = acked === 0 ? 0 : Math.min(n, acked + (channel ? 0 : grace));
      const [priceJob, priceIn, priceOut] = [prices.priceJob, prices.priceIn, prices.priceOut].map(BigInt) as [
        bigint,
        bigint,
        bigint,
      ];
      const terms = { priceJob, priceIn, priceOut, mode: score ? 4 : 1 };
      assert.equal(payoutOf(terms, { promptCount, paidCount }, max), BigInt(price));
    }
  });

  test('is never more than was locked', () => {
    const terms = { priceJob: max, priceIn: max, priceOut: max, mode: 1 };
    assert.equal(payoutOf(terms, { promptCount: 2 ** 32 - 1, paidCount: 2 ** 32 - 1 }, 5n), 5n);
  });
});

test('a head is the submitted one when every field agrees', async () => {
  const world = new World();
  const submitted = await world.submittedJob();
  const job = world.job(submitted);
  assert.ok(job?.submitted);
  const { root, textDigest, promptCount, tokenCount: n, finish } = job.submitted;
  const head = { root, textDigest, promptCount, n, finish };
  assert.equal(isSubmitted(job, head), true);
  for (const other of [
    { root: textDigest },
    { textDigest: root },
    { promptCount: promptCount + 1 },
    { n: n + 1 },
    { finish: 3 },
  ]) {
    assert.equal(isSubmitted(job, { ...head, ...other }), false, Object.keys(other)[0]);
  }
  assert.equal(isSubmitted(submitted.key, head), false, 'an open job');
});
