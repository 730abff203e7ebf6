import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { escrowRules } from '../../../src/escrow/constants.ts';
import { startLocalnet } from '../../../src/escrow/localnet.ts';
import { delay } from '../../../src/lib/abort.ts';
import { createReceiptStore } from '../../../src/node/home/receipt-store.ts';
import { settlementJson } from '../../../src/node/payment/outcome.ts';
import { startAsker } from '../../support/asking.ts';
import { disguised } from '../../support/cheats/engines.ts';
import { createGate } from '../../support/gate.ts';
import { temporaryHome } from '../../support/home.ts';
import { testSampler } from '../../support/market.ts';
import { silentAfterTheAnswer, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, providerPayments, startChain } from '../../support/payments.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const maxPrice = 10_000_000;

const chainDown = async (): Promise<never> => {
  throw new QvacError('E_CHAIN', 'the chain does not answer');
};

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

test('after the time to object the client’s next process has the answer paid, if nobody did', async (context) => {
  const chain = await startChain(context);
  const { provider, paid, escrow } = await startPaidProvider(context, chain, {
    wrap: (whole) => ({ ...whole, confirmJob: chainDown }),
  });
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, { providers: [provider], payments: silentAfterTheAnswer(client.payments) });
  await assert.rejects(asker.ask({ maxPrice }), /gone/);
  const { news } = await paid.news.until('submitted');
  const wallet = await client.payments.open();
  // It kept no receipt, so it has nothing to decide by.
  const [early] = await wallet.resume();
  assert.deepEqual([early?.settlement.state, early?.settlement.paid], ['submitted', 0n]);
  await chain.warp(301);
  const before = await client.escrow.balance();
  const [left] = await wallet.resume();
  assert.deepEqual([left?.settlement.state, left?.settlement.paid], ['claimed', news.lamports]);
  const { refunded } = left?.settlement ?? assert.fail();
  const rent = await client.escrow.rent(escrowRules.jobAccountBytes);
  assert.equal(await client.escrow.balance(), before + refunded + rent - 5_000n);
  assert.equal((await escrow.provider(escrow.wallet))?.earned, news.lamports);
  assert.deepEqual(await readdir(client.dir), []);
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
