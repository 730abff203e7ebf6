import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { decodeHead, encodeHead } from '../../../src/proofs/head.ts';
import { sha256 } from '../../../src/protocol/digests.ts';
import { finish, type Head, type Input } from '../../../src/protocol/messages.ts';
import { startAsker, type TestAskerInit } from '../../support/asking.ts';
import { withOtherPrompt } from '../../support/cheats/engines.ts';
import { createGate } from '../../support/gate.ts';
import { testSampler } from '../../support/market.ts';
import { keptDeliveries, type PaidProviderInit, type PayingEscrow, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, type PaidClient, startChain } from '../../support/payments.ts';
import { startPeer } from '../../support/peers.ts';
import { openRawPaidJob } from '../../support/raw-paid-job.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

// Providers that vanish, answer another prompt, or submit what they never sent.

const maxPrice = 10_000_000;
const grace = 64;

async function start(context: TestContext, init: PaidProviderInit = {}, asker: TestAskerInit = {}) {
  const chain = await startChain(context);
  const { provider, paid, escrow } = await startPaidProvider(context, chain, init);
  const client = await clientPayments(context, chain, { stopMs: 0 });
  return {
    chain,
    provider,
    paid,
    escrow,
    client,
    before: await client.escrow.balance(),
    asker: await startAsker(context, { providers: [provider], payments: client.payments, ...asker }),
    /** The client's next process, once the time to deliver is over. */
    async refunded(): Promise<void> {
      await client.payments.stop();
      await chain.warp(600);
      const later = await clientPayments(context, chain, { dir: client.dir, escrow: client.escrow });
      const left = await (await later.payments.open()).resume();
      assert.deepEqual(
        left.map(({ settlement: { state, paid: lamports } }) => [state, lamports]),
        [['refunded', 0n]],
      );
      assert.deepEqual(await readdir(client.dir), []);
    },
  };
}

/** Neither submits nor gives back. */
const gone = (whole: PayingEscrow): PayingEscrow => ({
  ...whole,
  submitJob: () => Promise.reject(new QvacError('E_CHAIN', 'gone')),
  refundJob: () => Promise.reject(new QvacError('E_CHAIN', 'gone')),
});

/** Locked, and given back but for the fees of both transactions. */
const costsFeesAlone = async ({ escrow }: PaidClient, before: bigint): Promise<void> =>
  assert.equal(await escrow.balance(), before - 10_000n);

test('a provider that vanishes once the money is locked gets nothing', async (context) => {
  const [looked, over] = [Promise.withResolvers<void>(), Promise.withResolvers<never>()];
  over.promise.catch(() => undefined);
  const { provider, client, before, asker, refunded } = await start(context, {
    wrap: (whole) => ({
      ...gone(whole),
      job: () => {
        looked.resolve();
        return over.promise;
      },
    }),
  });
  const asking = asker.ask({ maxPrice });
  asking.catch(() => undefined);
  await looked.promise;
  assert.equal((await client.escrow.jobs({ client: client.escrow.wallet })).length, 1);
  const stopping = provider.peer.stop();
  await assert.rejects(asking, { code: 'E_TRUNCATED' });
  over.reject(new Error('the test is over'));
  await stopping;
  await refunded();
  await costsFeesAlone(client, before);
});

test('a provider that vanishes for good in the middle of its answer gets nothing, and its answer is kept', async (context) => {
  const gate = createGate(40);
  const { provider, client, before, asker, refunded } = await start(context, {
    script: { beforeStep: gate.beforeStep },
    wrap: gone,
  });
  const asking = asker.ask({ maxPrice, sampler: { ...testSampler, maxTokens: 80 } });
  asking.catch(() => undefined);
  await gate.reached;
  await provider.peer.stop();
  await assert.rejects(
    asking,
    (error) =>
      error instanceof QvacError && error.code === 'E_TRUNCATED' && /qvac receipts show/.test(error.hint ?? ''),
  );
  assert.match(asker.told.join('\n'), /can be paid for the prompt and 80 tokens at most: \d+ lamports/);
  const [receipt] = [...asker.receipts.values()];
  assert.deepEqual(
    receipt?.heads.map(({ body }) => [decodeHead(body).n, decodeHead(body).finish]),
    [[32, finish.notFinal]],
  );
  await refunded();
  await costsFeesAlone(client, before);
});

test('a provider that answers another prompt is found out before anything is acknowledged', async (context) => {
  const told = (input: Input): Input => ({
    ...input,
    messages: [{ role: 'system', content: 'lie' }, ...input.messages],
  });
  const { paid, client, before, asker, refunded } = await start(
    context,
    { engine: withOtherPrompt(createScriptedEngine(), told), wrap: gone },
    { engines: [createScriptedEngine()] },
  );
  const { verification, text } = await asker.ask({ maxPrice });
  assert.deepEqual([verification.faults, text], [['prompt-mismatch'], '']);
  assert.match(asker.told.join('\n'), /payment on hold: refunded when the provider declines, or after 10 min/);
  // Without an acknowledgement there is nothing to submit.
  assert.deepEqual(await keptDeliveries(paid.dir), []);
  await refunded();
  await costsFeesAlone(client, before);
});

/** Submits another head than it sent. */
const submitting = (change: (head: Head) => Head): PaidProviderInit => ({
  wrap: (whole) => ({
    ...whole,
    submitJob: (job, { head, ack }, options) =>
      whole.submitJob(job, { head: encodeHead(change(decodeHead(head))), ack }, options),
  }),
});

/** An answer longer than what was sent. */
const longer = (head: Head): Head => ({ ...head, n: 300, root: sha256(head.root), finish: finish.length });

test('a provider that submits more than it sent gets no more than the grace, once its client is gone', async (context) => {
  const { chain, provider, escrow, paid } = await start(context, submitting(longer));
  const [buyer, peer] = [await chain.wallet(), await startPeer(context, { role: 'client' })];
  const job = await openRawPaidJob(context, { provider, authority: escrow.wallet, buyer }, { maxTokens: 300 }, peer);
  await job.accept();
  for (const n of [0, 1, 32]) {
    await job.tokens(n);
    await job.ack(n);
  }
  await job.tokens(66);
  job.stream.abort(new Error('gone'));
  const { news } = await paid.news.until('submitted');
  assert.equal(news.lamports, job.price(32, 32 + grace));
  await chain.warp(301);
  assert.equal((await paid.news.until('paid')).news.lamports, news.lamports);
});

test('a provider that submits more than it sent is slashed by a client that has its heads', async (context) => {
  const { client, paid, asker } = await start(context, submitting(longer));
  const { payment, verification, costLamports } = await asker.ask({
    maxPrice: 100_000_000,
    sampler: { ...testSampler, maxTokens: 300 },
  });
  assert.equal(verification.result, 'pass');
  assert.deepEqual(
    [payment?.state, payment?.refunded, payment?.compensation],
    ['slashed', payment?.locked, costLamports],
  );
  await paid.news.until('slashed');
  assert.deepEqual(await readdir(client.dir), []);
});
