import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startAsker } from '../../support/asking.ts';
import { createGate } from '../../support/gate.ts';
import { startProvider, type TestProviderInit } from '../../support/market.ts';
import { clientPayments, type PaidProvider, providerPayments, startChain } from '../../support/payments.ts';

// Ten minutes after a job was created its client can take a refund, whatever the provider has sent.

const maxPrice = 10_000_000;

async function start(context: TestContext, marginMs: number, init: TestProviderInit = {}) {
  const chain = await startChain(context);
  const paid = Promise.withResolvers<PaidProvider>();
  const provider = await startProvider(context, {
    offering: { priceIn: 100_000, priceOut: 2_000_000 },
    async payments(peer) {
      paid.resolve(await providerPayments(context, chain, peer, { marginMs }));
      return (await paid.promise).payments;
    },
    ...init,
  });
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  return { provider, paid: await paid.promise, asker };
}

test('a job whose payment is about to expire is refused', async (context) => {
  const { paid, asker } = await start(context, 600_000);
  await assert.rejects(asker.ask({ maxPrice }), { code: 'E_FAILED' });
  await paid.news.until('declined');
});

test('an answer that cannot be submitted in time ends without a final head, and is refunded', async (context) => {
  const gate = createGate(3);
  const { provider, paid, asker } = await start(context, 592_000, { script: { beforeStep: gate.beforeStep } });
  await assert.rejects(asker.ask({ maxPrice }), { code: 'E_FAILED' });
  await paid.news.until('declined');
  await provider.events.until('job-failed');
  assert.equal(provider.engine.slots.used, 0);
});
