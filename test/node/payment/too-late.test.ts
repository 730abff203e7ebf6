import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { finish } from '../../../src/protocol/messages.ts';
import { startAsker } from '../../support/asking.ts';
import { createGate } from '../../support/gate.ts';
import { type PaidProviderInit, paidPriceOf, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, startChain } from '../../support/payments.ts';

// At the end of `deliverWithin` the client can take a refund, whatever the provider has sent: 600 s here.

const maxPrice = 10_000_000;

async function start(context: TestContext, marginMs: number, init: PaidProviderInit = {}) {
  const chain = await startChain(context);
  const { provider, paid } = await startPaidProvider(context, chain, { payouts: { marginMs }, ...init });
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  return { provider, paid, asker };
}

test('a job whose payment is about to expire is refused', async (context) => {
  const { paid, asker } = await start(context, 600_000);
  await assert.rejects(asker.ask({ maxPrice }), { code: 'E_FAILED' });
  await paid.news.until('declined');
});

test('an answer that cannot be completed in time is broken off, submitted and paid so far', async (context) => {
  const gate = createGate(3);
  const { provider, paid, asker } = await start(context, 592_000, { script: { beforeStep: gate.beforeStep } });
  await assert.rejects(asker.ask({ maxPrice }), { code: 'E_TRUNCATED' });
  const finished = await provider.events.until('job-finished');
  assert.deepEqual([finished.tokens, finished.finish], [3, finish.brokenOff]);
  const [receipt] = [...provider.receipts.values()];
  const cost = paidPriceOf(receipt?.promptTokens.length ?? 0, 3);
  assert.equal((await paid.news.until('paid')).news.lamports, cost);
  assert.equal(provider.engine.slots.used, 0);
});
