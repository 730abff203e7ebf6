import assert from 'node:assert/strict';
import { cp, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { escrowRules } from '../../../src/escrow/constants.ts';
import { startLocalnet } from '../../../src/escrow/localnet.ts';
import { delay } from '../../../src/lib/abort.ts';
import { createReceiptStore } from '../../../src/node/home/receipt-store.ts';
import { settlementJson } from '../../../src/node/payment/outcome.ts';
import type { ClientPayments } from '../../../src/node/payment/payments.ts';
import type { KeptDelivery } from '../../../src/node/provider/payment/kept-delivery.ts';
import { decodeHead } from '../../../src/proofs/head.ts';
import { finish } from '../../../src/protocol/messages.ts';
import { decodeAck } from '../../../src/protocol/validate.ts';
import { startAsker } from '../../support/asking.ts';
import { disguised } from '../../support/cheats/engines.ts';
import { createGate, type Gate } from '../../support/gate.ts';
import { temporaryHome } from '../../support/home.ts';
import { testSampler } from '../../support/market.ts';
import { keptDeliveries, openRawPaidJob, paidPriceOf, startPaidProvider } from '../../support/paid.ts';
import {
  clientPayments,
  type PaidProvider,
  providerPayments,
  startChain,
  type TestChain,
} from '../../support/payments.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const maxPrice = 10_000_000;

const chainDown = async (): Promise<never> => {
  throw new QvacError('E_CHAIN', 'the chain does not answer');
};

/** A client that disappears or crashes after the answer, and settles nothing. */
function silentAfterTheAnswer(payments: ClientPayments): ClientPayments {
  return {
    ...payments,
    async open() {
      const wallet = await payments.open();
      return {
        refusal: (pay) => wallet.refusal(pay),
        plan: (...args) => wallet.plan(...args),
        records: () => wallet.records(),
        resume: () => wallet.resume(),
        async lock(order) {
          return {
            ...(await wallet.lock(order)),
            settle: () => Promise.reject(new Error('gone')),
            abandon: async () => null,
          };
        },
      };
    },
  };
}

/** Repeats the check until it holds. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const limit = AbortSignal.timeout(60_000);
  while (!(await holds())) await delay(20, limit);
}

test('a client that disappears after the answer still pays: the provider claims in the background', async (context) => {
  const chain = await startChain(context);
  const { provider, paid } = await startPaidProvider(context, chain);
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, { providers: [provider], payments: silentAfterTheAnswer(client.payments) });
  await assert.rejects(asker.ask({ maxPrice }), /gone/);
  const { news } = await paid.news.until('submitted');
  assert.ok(news.lamports > 0n);
  await chain.warp(301);
  assert.equal((await paid.news.until('paid')).news.lamports, news.lamports);
  // The client learns the outcome when it resumes.
  const left = await (await client.payments.open()).resume();
  assert.deepEqual(
    left.map(({ settlement: { state, paid: lamports } }) => [state, lamports]),
    [['claimed', news.lamports]],
  );
  assert.deepEqual([await readdir(client.dir), await readdir(paid.dir)], [[], []]);
});

test('a client that crashes after its verdict acts on the verdict when it starts again', async (context) => {
  const chain = await startChain(context);
  for (const [engine, state] of [
    [createScriptedEngine(), 'confirmed'],
    [disguised(createScriptedEngine({ damage: 1.5 }), createScriptedEngine()), 'rejected'],
  ] as const) {
    const { provider, paid } = await startPaidProvider(context, chain, { engine });
    const client = await clientPayments(context, chain);
    const receipts = createReceiptStore(await temporaryHome(context));
    const asker = await startAsker(context, {
      providers: [provider],
      engines: [createScriptedEngine()],
      payments: silentAfterTheAnswer(client.payments),
      save: async (receipt) => void (await receipts.save(receipt)),
    });
    await assert.rejects(asker.ask({ maxPrice }), /gone/);
    await paid.news.until('submitted');
    const [entry] = await receipts.list();
    const before = await receipts.get(entry?.id ?? assert.fail('no receipt was kept'));
    assert.equal(before.receipt.settlement, null);
    const later = await clientPayments(context, chain, { dir: client.dir, escrow: client.escrow, receipts });
    const left = await (await later.payments.open()).resume();
    assert.deepEqual(
      left.map(({ settlement }) => settlement.state),
      [state],
    );
    assert.deepEqual(await readdir(client.dir), []);
    // The receipt has the settlement, too, and is otherwise unchanged.
    const after = await receipts.get(before.id);
    const settled = left[0]?.settlement ?? assert.fail('no payment was settled');
    assert.deepEqual(after.receipt, { ...before.receipt, settlement: settlementJson(settled) });
    assert.deepEqual([settled.paid > 0n, settled.burnt > 0n], [state === 'confirmed', state === 'rejected']);
    assert.deepEqual([(await stat(after.path)).mode & 0o777, after.savedAt], [0o600, before.savedAt]);
  }
});

test('a provider that crashes between head and submission finds the job again and submits it', async (context) => {
  const chain = await startChain(context);
  const { provider, paid, escrow } = await startPaidProvider(context, chain, {
    wrap: (whole) => ({ ...whole, submitJob: chainDown }),
  });
  const client = await clientPayments(context, chain, { submitMs: 50 });
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  const { payment } = await asker.ask({ maxPrice });
  assert.deepEqual([payment?.state, payment?.paid], ['open', 0n]);
  await provider.provider.stop();
  assert.equal((await readdir(paid.dir)).length, 1);

  const again = await providerPayments(context, chain, provider.peer, { dir: paid.dir, escrow });
  await again.payments.start();
  context.after(() => again.payments.stop());
  await again.news.until('submitted');
  // The client, in another process, confirms the answer that it had checked.
  const later = await clientPayments(context, chain, { dir: client.dir, escrow: client.escrow });
  const [left] = await (await later.payments.open()).resume();
  assert.equal(left?.settlement.state, 'confirmed');
  await again.news.until('paid');
  assert.deepEqual([await readdir(client.dir), await readdir(paid.dir)], [[], []]);
});

test('a client that crashes after locking is refunded after the timeout', async (context) => {
  const chain = await startChain(context);
  // No provider sees the payment: none can answer before the client ends, and none can decline.
  const { provider } = await startPaidProvider(context, chain, {
    wrap: (whole) => ({
      ...whole,
      job: async () => null,
      waitForJob: (_address, _ready, options) =>
        new Promise((_resolve, reject) =>
          options?.signal?.addEventListener('abort', () => reject(options.signal?.reason as Error)),
        ),
      jobs: async () => [],
    }),
  });
  const client = await clientPayments(context, chain, { stopMs: 0 });
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  const stop = new AbortController();
  const asking = asker.ask({ maxPrice }, { signal: stop.signal });
  await eventually(async () => (await client.escrow.jobs({ client: client.escrow.wallet })).length === 1);
  stop.abort();
  await assert.rejects(asking, { code: 'E_INTERRUPTED' });
  await client.payments.stop();
  const later = await clientPayments(context, chain, { dir: client.dir, escrow: client.escrow });
  const early = await (await later.payments.open()).resume();
  assert.deepEqual(
    early.map(({ settlement: { state } }) => state),
    ['open'],
  );
  assert.ok((early[0]?.settlement.dueAt ?? 0) > Date.now());
  await chain.warp(600);
  const late = await (await later.payments.open()).resume();
  assert.deepEqual(
    late.map(({ settlement: { state, refunded, locked } }) => [state, refunded === locked]),
    [['refunded', true]],
  );
  assert.deepEqual(await readdir(client.dir), []);
});

/** A provider whose process can be killed: from then on it reaches the chain no more, and only its files are left. */
async function startMortal(context: TestContext, chain: TestChain, gate: Gate) {
  let dead = false;
  const started = await startPaidProvider(context, chain, {
    script: { beforeStep: gate.beforeStep },
    wrap: (whole) => ({
      ...whole,
      submitJob: (...args) => (dead ? chainDown() : whole.submitJob(...args)),
      refundJob: (...args) => (dead ? chainDown() : whole.refundJob(...args)),
    }),
  });
  const { provider, paid, escrow } = started;
  return {
    ...started,
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

test('a provider killed in the middle of an answer is paid later for what was acknowledged', async (context) => {
  const chain = await startChain(context);
  const gate = createGate(40);
  const { provider, paid, restart } = await startMortal(context, chain, gate);
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  const asking = asker.ask({ maxPrice, sampler: { ...testSampler, maxTokens: 80 } });
  asking.catch(() => undefined);
  await gate.reached;
  const acked = ({ ack }: KeptDelivery): number => (ack === null ? -1 : decodeAck(ack.body).n);
  await eventually(async () => (await keptDeliveries(paid.dir)).some((kept) => acked(kept) === 32));
  const [{ again, kept }] = await Promise.all([restart(), assert.rejects(asking)]);
  const head = decodeHead(kept[0]?.head.body ?? assert.fail('nothing was kept'));
  assert.equal(head.finish, finish.brokenOff);
  assert.ok(head.n >= 32 && head.n <= 40, `${head.n} tokens`);
  assert.equal((await again.news.until('paid')).news.lamports, paidPriceOf(head.promptCount, head.n));
  await client.payments.stop();
  assert.deepEqual([await readdir(client.dir), await readdir(again.dir)], [[], []]);
});

test('a provider killed before anything was acknowledged sends nothing: the client is refunded', async (context) => {
  const chain = await startChain(context);
  const { provider, escrow, restart } = await startMortal(context, chain, createGate(0));
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

test('an answer is settled after the chain was unreachable for a part of it', async (context) => {
  const chain = await startChain(context);
  const gate = createGate(3);
  const { provider, paid } = await startPaidProvider(context, chain, { script: { beforeStep: gate.beforeStep } });
  const client = await clientPayments(context, chain, { submitMs: 500 });
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  const asking = asker.ask({ maxPrice, sampler: { ...testSampler, maxTokens: 8 } });
  await gate.reached;
  await chain.localnet.stop();
  gate.open();
  const { payment, verification } = await asking;
  assert.deepEqual([verification.result, payment?.state], ['pass', 'open']);
  const back = await startLocalnet({ dir: chain.dir, port: Number(new URL(chain.rpcUrl).port) });
  context.after(() => back.stop());
  await paid.news.until('submitted');
  const [left] = await (await client.payments.open()).resume();
  assert.equal(left?.settlement.state, 'confirmed');
  await paid.news.until('paid');
});
