import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import type { ClientPayments, Settlement } from '../../../src/node/payment/payments.ts';
import { startAsker, type TestAskerInit } from '../../support/asking.ts';
import { testSampler } from '../../support/market.ts';
import { type PaidProviderInit, paidPriceOf, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, SOL, startChain } from '../../support/payments.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const maxPrice = 10_000_000;

async function startMarket(
  context: TestContext,
  { provider: init = {}, asker = {} }: { readonly provider?: PaidProviderInit; readonly asker?: TestAskerInit } = {},
) {
  const chain = await startChain(context);
  const { provider, paid } = await startPaidProvider(context, chain, init);
  const client = await clientPayments(context, chain);
  return {
    chain,
    provider,
    paid,
    client,
    asker: await startAsker(context, { providers: [provider], payments: client.payments, ...asker }),
  };
}

test('an answer is paid: locked, submitted, compared, checked, confirmed', async (context) => {
  const { provider, paid, client, asker } = await startMarket(context, {
    asker: { engines: [createScriptedEngine()] },
  });
  const before = { buyer: await client.escrow.balance(), seller: await paid.escrow.balance() };
  const answer = await asker.ask({ maxPrice });
  assert.deepEqual([answer.verification.result, answer.verification.tier], ['pass', 'exact']);
  const { payment } = answer;
  assert.ok(payment !== null);
  const promptCount = provider.receipts.get(answer.receipt ?? ('' as never))?.promptTokens.length ?? 0;
  const cost = paidPriceOf(promptCount, answer.tokens);
  assert.deepEqual(
    [payment.state, payment.paid, payment.refunded, payment.burnt],
    ['confirmed', cost, payment.locked - cost, 0n],
  );
  assert.ok(payment.locked <= BigInt(maxPrice) && payment.locked >= cost);
  assert.equal(answer.costLamports, cost);
  assert.equal((await paid.news.until('paid')).news.lamports, cost);
  // Besides the price, the client paid the fees of two transactions; the rent was returned.
  assert.equal(await client.escrow.balance(), before.buyer - cost - 10_000n);
  // The provider's wallet paid the fee of its submission, with the acknowledgement's signature; the price is its stake.
  assert.equal(await paid.escrow.balance(), before.seller - 10_000n);
  const account = await paid.escrow.provider(paid.escrow.wallet);
  assert.deepEqual([account?.stake, account?.earned, account?.lockedStake], [10n * SOL + cost, cost, 0n]);
  assert.equal(payment.fees, 10_000n);
  assert.deepEqual([await readdir(client.dir), await readdir(paid.dir)], [[], []]);
  const stored = asker.receipts.get(answer.receipt ?? ('' as never));
  assert.deepEqual([stored?.settlement?.state, stored?.settlement?.paid], ['confirmed', cost.toString()]);
});

test('a cancelled answer costs the tokens that were delivered', async (context) => {
  const stop = new AbortController();
  const { client, asker } = await startMarket(context, { asker: { engines: [createScriptedEngine()] } });
  let pieces = 0;
  const answer = await asker.ask(
    { maxPrice: 1_000_000_000, sampler: { ...testSampler, maxTokens: 400 } },
    { signal: stop.signal, onText: () => void (++pieces === 2 && stop.abort()) },
  );
  assert.equal(answer.finish, 2);
  assert.equal(answer.payment?.state, 'confirmed');
  assert.equal(answer.payment?.paid, answer.costLamports);
  assert.ok((answer.payment?.refunded ?? 0n) > 0n);
  assert.deepEqual(await readdir(client.dir), []);
});

test('nothing is locked above the limit, on another chain, without stake or from an empty wallet', async (context) => {
  const { chain, provider, paid, asker } = await startMarket(context);
  await assert.rejects(
    asker.ask({ maxPrice: 10 }),
    (error) =>
      error instanceof QvacError && error.code === 'E_TOO_DEAR' && typeof error.details?.priceLamports === 'string',
  );
  const elsewhere = await clientPayments(context, await startChain(context));
  const stranger = await startAsker(context, { providers: [provider], payments: elsewhere.payments });
  await assert.rejects(
    stranger.ask({ maxPrice }),
    (error) => error instanceof QvacError && error.exitCode === 5 && /another chain/.test(error.message),
  );
  const empty = await startAsker(context, {
    providers: [provider],
    payments: (await clientPayments(context, chain, { escrow: await chain.wallet(0n) })).payments,
  });
  await assert.rejects(empty.ask({ maxPrice }), { code: 'E_FUNDS' });
  await paid.escrow.withdraw(10n * SOL - SOL / 1_000n);
  await assert.rejects(
    asker.ask({ maxPrice }),
    (error) => error instanceof QvacError && error.exitCode === 5 && /stake does not cover/.test(error.message),
  );
  assert.deepEqual(await paid.escrow.jobs({ provider: paid.escrow.wallet }), []);
});

test('a client without a wallet does not ask a provider that charges', async (context) => {
  const { provider } = await startMarket(context);
  const asker = await startAsker(context, { providers: [provider] });
  await assert.rejects(asker.ask({ maxPrice }), { code: 'E_LIMIT' });
});

test('a busy provider declines the payment at once', async (context) => {
  const held = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const { client, paid, asker } = await startMarket(context, {
    provider: {
      script: {
        slots: 1,
        queue: 0,
        async beforeStep(i) {
          if (i === 3) reached.resolve();
          if (i === 3) await held.promise;
        },
      },
    },
  });
  const first = asker.ask({ maxPrice });
  await reached.promise;
  await assert.rejects(asker.ask({ maxPrice }), { code: 'E_BUSY' });
  await paid.news.until('declined');
  held.resolve();
  assert.equal((await first).payment?.state, 'confirmed');
  await client.payments.stop();
  assert.deepEqual(await readdir(client.dir), []);
});

const brokenAt = (step: number): PaidProviderInit => ({
  script: {
    async beforeStep(i) {
      if (i === step) throw new Error('broken');
    },
  },
});

test('an answer that breaks off before anything is acknowledged is not paid', async (context) => {
  const { client, paid, asker } = await startMarket(context, { provider: brokenAt(0) });
  const before = await client.escrow.balance();
  await assert.rejects(asker.ask({ maxPrice }));
  assert.match(asker.told.join('\n'), /paid for the prompt and 0 tokens at most: \d+ lamports; the rest is refunded/);
  await paid.news.until('declined');
  await client.payments.stop();
  // Only the fee for locking it.
  assert.equal(await client.escrow.balance(), before - 5_000n);
  assert.deepEqual([await readdir(client.dir), await paid.escrow.jobs({ provider: paid.escrow.wallet })], [[], []]);
});

test('an answer that breaks off later is paid for the tokens that arrived, and says so', async (context) => {
  const { client, paid, asker, provider } = await startMarket(context, { provider: brokenAt(3) });
  const before = await client.escrow.balance();
  await assert.rejects(
    asker.ask({ maxPrice }),
    (error) =>
      error instanceof QvacError &&
      error.code === 'E_TRUNCATED' &&
      /broke off after 3 tokens/.test(error.message) &&
      /qvac receipts show/.test(error.hint ?? ''),
  );
  const [receipt] = [...asker.receipts.values()];
  const [served] = [...provider.receipts.values()];
  const cost = paidPriceOf(served?.promptTokens.length ?? 0, 3);
  assert.equal((await paid.news.until('paid')).news.lamports, cost);
  assert.deepEqual([receipt?.settlement?.state, receipt?.settlement?.paid], ['confirmed', cost.toString()]);
  assert.equal(await client.escrow.balance(), before - cost - 10_000n);
  assert.deepEqual(await readdir(client.dir), []);
});

test('a client that never locks what it offered is refused, and blocks no slot', async (context) => {
  const { asker, client } = await startMarket(context);
  const wallet = await client.payments.open();
  const standing: Settlement = {
    state: 'open',
    chain: '',
    account: new Uint8Array(32),
    locked: 0n,
    paid: 0n,
    refunded: 0n,
    burnt: 0n,
    compensation: 0n,
    fees: 0n,
    signature: null,
    dueAt: null,
    channel: null,
  };
  const lock = async () => ({
    standing,
    totals: null,
    release: async () => null,
    delivered: () => undefined,
    window: async () => ({ submitted: false, leftMs: 0 }),
    settle: async () => assert.fail('served'),
    abandon: async () => null,
  });
  const forgetful: ClientPayments = {
    start: async () => undefined,
    open: async () => ({
      refusal: () => null,
      plan: (...args) => wallet.plan(...args),
      records: () => wallet.records(),
      resume: () => wallet.resume(),
      lock,
    }),
    stop: async () => undefined,
  };
  const [provider] = asker.discovery.live();
  assert.ok(provider !== undefined);
  const cheat = await startAsker(context, {
    providers: [{ address: provider.card.addrs[0] ?? '' }],
    payments: forgetful,
  });
  const stop = new AbortController();
  const waiting = cheat.ask({ maxPrice }, { signal: stop.signal });
  waiting.catch(() => undefined);
  assert.equal((await asker.ask({ maxPrice })).payment?.state, 'confirmed');
  stop.abort();
  await assert.rejects(waiting);
});
