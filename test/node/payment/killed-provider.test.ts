import assert from 'node:assert/strict';
import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { escrowRules } from '../../../src/escrow/constants.ts';
import { delay } from '../../../src/lib/abort.ts';
import type { KeptDelivery } from '../../../src/node/provider/payment/kept-delivery.ts';
import { decodeHead } from '../../../src/proofs/head.ts';
import { finish } from '../../../src/protocol/messages.ts';
import { decodeAck } from '../../../src/protocol/validate.ts';
import { startAsker } from '../../support/asking.ts';
import { createGate } from '../../support/gate.ts';
import { temporaryHome } from '../../support/home.ts';
import { testSampler } from '../../support/market.ts';
import { keptDeliveries, paidPriceOf, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, type PaidProvider, providerPayments, startChain } from '../../support/payments.ts';
import { openRawPaidJob } from '../../support/raw-paid-job.ts';
import type { ScriptedInit } from '../../support/scripted-engine.ts';

// A provider whose process ends at once: the next one finds on disk what it needs to be paid.

const chainDown = async (): Promise<never> => {
  throw new QvacError('E_CHAIN', 'the chain does not answer');
};

/** A provider whose process can be killed: from then on it reaches the chain no more, and only its files are left. */
async function startMortal(context: TestContext, script: ScriptedInit = {}) {
  const chain = await startChain(context);
  let dead = false;
  const started = await startPaidProvider(context, chain, {
    script,
    wrap: (whole) => ({
      ...whole,
      submitJob: (...args) => (dead ? chainDown() : whole.submitJob(...args)),
      refundJob: (...args) => (dead ? chainDown() : whole.refundJob(...args)),
    }),
  });
  const { provider, paid, escrow } = started;
  return {
    ...started,
    chain,
    /** Kills it, and starts the payouts of its next process. */
    async restart(): Promise<{ readonly again: PaidProvider; readonly kept: readonly KeptDelivery[] }> {
      dead = true;
      const dir = join(await temporaryHome(context), 'paid');
      await cp(paid.dir, dir, { recursive: true }).catch(() => undefined);
      // Its connections break first: a killed process sends no final head.
      await provider.peer.stop();
      await provider.provider.stop();
      const kept = await keptDeliveries(dir);
      const again = await providerPayments(context, chain, provider.peer, { dir, escrow });
      await again.payments.start();
      context.after(() => again.payments.stop());
      return { again, kept };
    },
  };
}

const ackedIn = ({ ack }: KeptDelivery): number => (ack === null ? -1 : decodeAck(ack.body).n);

/** Waits until the provider has this acknowledgement on disk. */
async function isKept(paid: PaidProvider, acked: number): Promise<void> {
  const limit = AbortSignal.timeout(60_000);
  while (!(await keptDeliveries(paid.dir)).some((kept) => ackedIn(kept) === acked)) await delay(20, limit);
}

test('a provider killed in the middle of an answer is paid later for what was acknowledged', async (context) => {
  const gate = createGate(40);
  const { chain, provider, paid, restart } = await startMortal(context, { beforeStep: gate.beforeStep });
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  const asking = asker.ask({ maxPrice: 10_000_000, sampler: { ...testSampler, maxTokens: 80 } });
  asking.catch(() => undefined);
  await gate.reached;
  await isKept(paid, 32);
  const [{ again, kept }] = await Promise.all([restart(), assert.rejects(asking)]);
  const head = decodeHead(kept[0]?.head.body ?? assert.fail('nothing was kept'));
  assert.equal(head.finish, finish.brokenOff);
  assert.ok(head.n >= 32 && head.n <= 40, `${head.n} tokens`);
  assert.equal((await again.news.until('paid')).news.lamports, paidPriceOf(head.promptCount, head.n));
  await client.payments.stop();
  assert.deepEqual([await readdir(client.dir), await keptDeliveries(again.dir)], [[], []]);
});

for (const counts of [[0], [0, 1], [0, 1, 32], [0, 1, 32, 64]]) {
  const acked = counts.at(-1) ?? 0;
  test(`after an acknowledgement of ${acked} both vanish: the provider’s next process is paid by it`, async (context) => {
    const { chain, provider, paid, escrow, restart } = await startMortal(context);
    const buyer = await chain.wallet();
    const job = await openRawPaidJob(context, { provider, authority: escrow.wallet, buyer });
    await job.accept();
    for (const n of counts) {
      await job.tokens(n);
      await job.ack(n);
    }
    // It waits: all that the grace allows has come, with the heads over it, which were kept before they were sent.
    const most = acked === 0 ? 1 : acked + job.raw.offer.terms.grace;
    await job.tokens(most);
    while (job.heads.length < Math.floor(most / 32)) await job.next();
    await isKept(paid, acked);
    const { again, kept } = await restart();
    const { n } = decodeHead(kept[0]?.head.body ?? assert.fail('nothing was kept'));
    assert.ok(n >= acked && n <= most, `${n} tokens`);
    const { news } = await again.news.until('submitted');
    assert.equal(news.lamports, job.price(acked, n));
    await chain.warp(301);
    assert.equal((await again.news.until('paid')).news.lamports, news.lamports);
    assert.deepEqual([await keptDeliveries(again.dir), await buyer.job(job.account)], [[], null]);
  });
}

test('a provider killed before anything was acknowledged sends nothing: the client is refunded', async (context) => {
  const { chain, provider, escrow, restart } = await startMortal(context, { beforeStep: createGate(0).beforeStep });
  const buyer = await chain.wallet();
  const job = await openRawPaidJob(context, { provider, authority: escrow.wallet, buyer });
  await job.accept();
  const { again, kept } = await restart();
  const before = await escrow.balance();
  assert.deepEqual([again.news.all, kept], [[], []]);
  await chain.warp(600);
  const { amount } = (await buyer.job(job.account)) ?? assert.fail('the job has ended');
  const [rest, rent] = [await buyer.balance(), await buyer.rent(escrowRules.jobAccountBytes)];
  await buyer.refundJob({ address: job.account, client: buyer.wallet, provider: escrow.wallet });
  assert.deepEqual([await buyer.balance(), await escrow.balance()], [rest + amount + rent - 5_000n, before]);
});
