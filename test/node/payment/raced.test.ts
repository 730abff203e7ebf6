import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { type Refusal, RefusedError } from '../../../src/escrow/refusal.ts';
import { startAsker } from '../../support/asking.ts';
import { type PaidProviderInit, silentAfterTheAnswer, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, SOL, startChain } from '../../support/payments.ts';

// Anyone may confirm a submitted job after its window, and refund an open one after its deadline. Whoever is first, the
// money goes where it belongs.

const fee = 5_000n;

const refused = (refusal: Refusal) => (error: unknown) => error instanceof RefusedError && error.refusal === refusal;

/** An answer whose payment its client left; a stranger watches. */
async function startLeft(context: TestContext, init: PaidProviderInit = {}) {
  const chain = await startChain(context);
  const { provider, paid, escrow } = await startPaidProvider(context, chain, init);
  const [client, stranger] = [await clientPayments(context, chain), await chain.wallet()];
  const asker = await startAsker(context, { providers: [provider], payments: silentAfterTheAnswer(client.payments) });
  const before = { client: await client.escrow.balance(), stranger: await stranger.balance() };
  await assert.rejects(asker.ask({ maxPrice: 10_000_000 }), /gone/);
  const [job] = await client.escrow.jobs({ client: client.escrow.wallet });
  return { chain, provider, paid, escrow, client, stranger, before, job: job ?? assert.fail('nothing was locked') };
}

test('a stranger confirms no payment before its time, and rejects none', async (context) => {
  const { client, paid, stranger, job, before } = await startLeft(context);
  await paid.news.until('submitted');
  const submitted = (await client.escrow.job(job.address)) ?? assert.fail('it has ended');
  await assert.rejects(stranger.confirmJob(submitted), refused('CheckWindowOpen'));
  for (const client of [submitted.client, stranger.wallet])
    await assert.rejects(stranger.rejectJob({ ...submitted, client }, new Uint8Array(32)), { name: 'RefusedError' });
  await assert.rejects(stranger.refundJob(submitted), refused('InvalidStatus'));
  assert.deepEqual(await client.escrow.job(job.address), submitted);
  assert.ok((await stranger.balance()) <= before.stranger);
});

test('client, provider and a stranger have a payment released at once: it is paid once, to the right accounts', async (context) => {
  const due = Promise.withResolvers<void>();
  const { chain, client, paid, escrow, stranger, job, before } = await startLeft(context, {
    wrap: (whole) => ({
      ...whole,
      async confirmJob(...args) {
        // Together with the others.
        await due.promise;
        return whole.confirmJob(...args);
      },
    }),
  });
  const { news } = await paid.news.until('submitted');
  const submitted = (await client.escrow.job(job.address)) ?? assert.fail('it has ended');
  await chain.warp(301);
  due.resolve();
  const [byStranger, byClient] = await Promise.allSettled([
    stranger.confirmJob(submitted),
    client.payments.open().then((wallet) => wallet.resume()),
  ]);
  assert.equal((await paid.news.until('paid')).news.lamports, news.lamports);
  if (byStranger.status === 'rejected') assert.ok(refused('NoAccount')(byStranger.reason), String(byStranger.reason));
  assert.equal(byClient.status, 'fulfilled');
  // The next process of the client finds out, if this one did not.
  const later = await clientPayments(context, chain, { dir: client.dir, escrow: client.escrow });
  await (await later.payments.open()).resume();
  assert.deepEqual([await readdir(client.dir), await readdir(paid.dir)], [[], []]);
  const account = await escrow.provider(escrow.wallet);
  assert.deepEqual(
    [account?.stake, account?.earned, account?.jobsCompleted, account?.lockedStake],
    [10n * SOL + news.lamports, news.lamports, 1n, 0n],
  );
  // Lock, and perhaps the confirmation; the rent came back.
  const spent = before.client - (await client.escrow.balance()) - news.lamports;
  assert.ok(spent === fee || spent === 2n * fee, `${spent} lamports of fees`);
  const strangerSpent = before.stranger - (await stranger.balance());
  assert.ok(strangerSpent === 0n || strangerSpent === fee, `${strangerSpent} lamports`);
});

test('a stranger that confirms first gets nothing: provider and client are paid by its transaction', async (context) => {
  const { chain, client, paid, escrow, stranger, job, before } = await startLeft(context, {
    wrap: (whole) => ({ ...whole, confirmJob: () => Promise.reject(new Error('too slow')) }),
  });
  const { news } = await paid.news.until('submitted');
  const submitted = (await client.escrow.job(job.address)) ?? assert.fail('it has ended');
  await chain.warp(301);
  await stranger.confirmJob(submitted);
  assert.equal((await paid.news.until('paid')).news.lamports, news.lamports);
  const [left] = await (await client.payments.open()).resume();
  assert.deepEqual(
    [left?.settlement.state, left?.settlement.paid, left?.settlement.refunded],
    ['claimed', news.lamports, job.amount - news.lamports],
  );
  assert.equal(await stranger.balance(), before.stranger - fee);
  assert.equal(await client.escrow.balance(), before.client - news.lamports - fee);
  assert.equal((await escrow.provider(escrow.wallet))?.earned, news.lamports);
});

test('a stranger that refunds an unsubmitted job first gets nothing: all of it goes to the client', async (context) => {
  const { chain, client, paid, stranger, job, before } = await startLeft(context, {
    wrap: (whole) => ({ ...whole, submitJob: () => Promise.reject(new Error('away')) }),
  });
  await assert.rejects(stranger.refundJob(job), refused('DeliveryPending'));
  await chain.warp(600);
  await stranger.refundJob(job);
  assert.equal(await client.escrow.balance(), before.client - fee);
  const [left] = await (await client.payments.open()).resume();
  assert.deepEqual([left?.settlement.state, left?.settlement.refunded], ['refunded', job.amount]);
  await paid.news.until('refunded');
  assert.deepEqual([await readdir(client.dir), await readdir(paid.dir)], [[], []]);
});
