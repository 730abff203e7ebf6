import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Delivery } from '../../../src/escrow/escrow.ts';
import { startAsker } from '../../support/asking.ts';
import { createGate } from '../../support/gate.ts';
import { startProvider } from '../../support/market.ts';
import { clientPayments, type PaidProvider, providerPayments, startChain } from '../../support/payments.ts';
import { withTamperedAnswers } from '../../support/router.ts';

// The client stops an answer before its first token, and the provider withholds its final head: the client first sees
// the answer when the provider submits it.

const prices = { priceIn: 100_000, priceOut: 2_000_000 };

/** How the payment ends if the provider submits its delivery with `change`. */
async function stopped(context: TestContext, change: (delivery: Delivery) => Delivery): Promise<PaidProvider> {
  const chain = await startChain(context);
  const escrow = await chain.wallet();
  const paid = Promise.withResolvers<PaidProvider>();
  const provider = await startProvider(context, {
    offering: prices,
    script: { beforeStep: createGate(0).beforeStep },
    wrapPeer: (peer) => withTamperedAnswers(peer, (frame) => (frame.t === 'head' ? [] : [frame])),
    async payments(peer) {
      paid.resolve(
        await providerPayments(context, chain, peer, {
          escrow: {
            ...escrow,
            submitJob: (job, delivery, options) => escrow.submitJob(job, change(delivery), options),
          },
        }),
      );
      return (await paid.promise).payments;
    },
  });
  const client = await clientPayments(context, chain);
  const asker = await startAsker(context, { providers: [provider], payments: client.payments });
  const stop = new AbortController();
  await assert.rejects(
    asker.ask({ maxPrice: 1_000_000_000 }, { signal: stop.signal, onAccepted: () => stop.abort() }),
    { code: 'E_INTERRUPTED' },
  );
  return paid.promise;
}

test('the accepted prompt is paid for', async (context) => {
  const { news } = await stopped(context, (delivery) => delivery);
  assert.ok((await news.until('paid')).news.lamports > 0n);
});

test('a prompt longer than the accepted one is not paid for', async (context) => {
  const { news } = await stopped(context, (delivery) => ({ ...delivery, promptCount: 2 ** 32 - 1 }));
  await news.until('rejected');
});
