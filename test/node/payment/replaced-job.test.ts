import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { startAsker } from '../../support/asking.ts';
import { startProvider } from '../../support/market.ts';
import { clientPayments, type PaidProvider, providerPayments, startChain } from '../../support/payments.ts';

test('a delivery is never submitted to a later job with the same id but another seed', async (context) => {
  const chain = await startChain(context);
  const escrow = await chain.wallet();
  const paid = Promise.withResolvers<PaidProvider>();
  const chainDown = async (): Promise<never> => {
    throw new QvacError('E_CHAIN', 'the chain does not answer');
  };
  const provider = await startProvider(context, {
    offering: { priceIn: 100_000, priceOut: 2_000_000 },
    async payments(peer) {
      paid.resolve(await providerPayments(context, chain, peer, { escrow: { ...escrow, submitJob: chainDown } }));
      return (await paid.promise).payments;
    },
  });
  const client = await clientPayments(context, chain, { submitMs: 50 });
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  assert.equal((await asker.ask({ maxPrice: 10_000_000 })).payment?.state, 'open');
  await provider.provider.stop();

  // The provider stays away past the deadline: the client takes the refund, and locks again with a seed of its choice.
  await chain.warp(601);
  const { dir } = await paid.promise;
  const [served] = await client.escrow.jobs({ client: client.escrow.wallet });
  assert.ok(served !== undefined);
  await client.escrow.refundJob(served);
  await client.escrow.createJob({
    authority: escrow.wallet,
    terms: { ...served, seed: Uint8Array.from(randomBytes(32)) },
  });
  await chain.warp(2);

  const again = await providerPayments(context, chain, provider.peer, { dir, escrow });
  await again.payments.start();
  context.after(() => again.payments.stop());
  await again.news.until('declined');
  assert.deepEqual(
    again.news.all.map(({ event }) => event),
    ['refunded', 'declined'],
  );
  assert.deepEqual([await client.escrow.jobs({ client: client.escrow.wallet }), await readdir(dir)], [[], []]);
});
