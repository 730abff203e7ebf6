import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { test } from 'node:test';
import { homeAt } from '../../src/config.ts';
import { QvacError } from '../../src/errors.ts';
import { addressText, parseAddress } from '../../src/escrow/addresses.ts';
import { createReceiptStore } from '../../src/node/home/receipt-store.ts';
import type { PaymentSummary } from '../../src/terminal/receipt-summary.ts';
import { startAsker } from '../support/asking.ts';
import { runInProcess } from '../support/cli.ts';
import { createGate } from '../support/gate.ts';
import { temporaryHome } from '../support/home.ts';
import { startPaidProvider } from '../support/paid.ts';
import { clientPayments, startChain } from '../support/payments.ts';

test('qvac jobs refund refunds any job by the address of its account, once it is due', {
  timeout: 120_000,
}, async (context) => {
  const chain = await startChain(context);
  const gate = createGate(3);
  const unreachable = async (): Promise<never> => {
    throw new QvacError('E_CHAIN', 'the chain does not answer');
  };
  const { provider } = await startPaidProvider(context, chain, {
    script: { beforeStep: gate.beforeStep },
    wrap: (escrow) => ({ ...escrow, submitJob: unreachable, refundJob: unreachable }),
  });
  const client = await clientPayments(context, chain, { stopMs: 0, submitMs: 50 });
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  const asking = asker.ask({ maxPrice: 10_000_000 });
  asking.catch(() => undefined);
  await gate.reached;
  await Promise.all([provider.provider.stop(), assert.rejects(asking)]);
  await client.payments.stop();
  const [job] = await client.escrow.jobs({ client: client.escrow.wallet });
  const address = addressText(job?.address ?? assert.fail('nothing was locked'));
  const before = await client.escrow.balance();

  // Another person, with another wallet.
  const home = await temporaryHome(context);
  const run = (...args: readonly string[]) => runInProcess(['jobs', ...args, '--home', home, '--rpc', chain.rpcUrl]);
  const shown = await run('show', address, '--json');
  assert.equal((JSON.parse(shown.stdout) as { readonly state: string }).state, 'open', shown.stderr);
  const early = await run('refund', address);
  assert.equal(early.code, 5, early.stderr);
  await chain.warp(600);
  const refunded = await run('refund', address, '--json');
  assert.equal(refunded.code, 0, refunded.stderr);
  assert.equal((JSON.parse(refunded.stdout) as { readonly outcome: { readonly how: string } }).outcome.how, 'refunded');
  assert.ok((await client.escrow.balance()) >= before + (job?.amount ?? 0n));
  assert.equal((await run('refund', address)).code, 2);
});

test('qvac jobs show notes the settlement of a job in its receipt', { timeout: 120_000 }, async (context) => {
  const chain = await startChain(context);
  const { provider, paid: earning } = await startPaidProvider(context, chain);
  const home = await temporaryHome(context);
  const receipts = createReceiptStore(homeAt(home).receipts);
  // This wallet does not confirm, so the provider claims later.
  const client = await clientPayments(context, chain, { confirms: false, receipts });
  const asker = await startAsker(context, {
    providers: [provider],
    payments: client.payments,
    save: async (receipt) => void (await receipts.save(receipt)),
  });
  const { receipt: id, payment } = await asker.ask({ maxPrice: 10_000_000 });
  assert.equal(payment?.state, 'submitted');
  const run = (...args: readonly string[]) => runInProcess([...args, '--home', home]);
  const shown = async () =>
    (
      JSON.parse((await run('receipts', 'show', id ?? '', '--json')).stdout) as {
        readonly payment: PaymentSummary | null;
      }
    ).payment;
  assert.equal((await shown())?.settlement?.state, 'submitted');
  assert.match(
    (await run('receipts', 'show', id ?? '')).stdout,
    /money {5}[0-9.]+ SOL locked, paid out from .*; current state: qvac jobs show /,
  );
  const before = await receipts.get(id ?? '');

  await chain.warp(301);
  await earning.news.until('paid');
  const job = await run('jobs', 'show', id ?? '', '--rpc', chain.rpcUrl, '--json');
  assert.equal(job.code, 0, job.stderr);
  const { outcome } = JSON.parse(job.stdout) as {
    readonly outcome: {
      readonly how: string;
      readonly paid: string;
      readonly refunded: string;
      readonly burnt: string;
      readonly compensation: string;
    };
  };
  const { how, paid, refunded, burnt, compensation } = outcome;
  assert.deepEqual(await shown(), {
    locked: String(payment?.locked),
    settlement: { state: how, paid, refunded, burnt, compensation, dueAt: null },
  });
  assert.deepEqual([how, BigInt(paid) > 0n, BigInt(paid) + BigInt(refunded)], ['claimed', true, payment?.locked]);
  assert.match(
    (await run('receipts', 'show', id ?? '')).stdout,
    /money {5}paid 0\.[0-9]+ SOL, 0\.[0-9]+ SOL refunded\n/,
  );
  const after = await receipts.get(id ?? '');
  assert.deepEqual({ ...after.receipt, settlement: null }, { ...before.receipt, settlement: null });
  assert.equal((await stat(after.path)).mode & 0o777, 0o600);
});

test('the commands that only read send nothing to a chain with play money', { timeout: 120_000 }, async (context) => {
  const chain = await startChain(context);
  const home = await temporaryHome(context);
  const run = (...args: readonly string[]) => runInProcess([...args, '--home', home]);
  const made = await run('wallet', 'new', '--json');
  const address = parseAddress((JSON.parse(made.stdout) as { readonly address: string }).address);
  const reader = await chain.wallet(0n);
  for (const [line, code] of [
    ['channels ls', 0],
    ['channels show 9f', 2],
    ['jobs ls', 0],
    ['jobs show 9f', 2],
    ['provider status', 2],
  ] as const) {
    const read = await run(...line.split(' '), '--rpc', chain.rpcUrl);
    assert.equal(read.code, code, `${line}: ${read.stderr}`);
    assert.equal(await reader.balance(address), 0n, line);
  }
});
