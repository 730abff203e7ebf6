import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { Escrow } from '../../../src/escrow/escrow.ts';
import { termsOf } from '../../../src/escrow/terms.ts';
import type { PaidOrder } from '../../../src/node/provider/payment/payouts.ts';
import { OfferRefusal } from '../../../src/node/provider/refusal.ts';
import type { Quote } from '../../../src/protocol/messages.ts';
import { startProvider } from '../../support/market.ts';
import { clientPayments, type PaidProvider, providerPayments, startChain } from '../../support/payments.ts';
import { startPeer } from '../../support/peers.ts';
import { makeOffer } from '../../support/raw-offer.ts';

// Offers that name a payment cost nothing to make: a client can send any number of them.

async function start(context: TestContext) {
  const chain = await startChain(context);
  const whole = await chain.wallet();
  const waits = { now: 0, most: 0 };
  const escrow: typeof whole = {
    ...whole,
    async waitForJob(...args) {
      waits.most = Math.max(waits.most, ++waits.now);
      return whole.waitForJob(...args).finally(() => waits.now--);
    },
  };
  const paid = Promise.withResolvers<PaidProvider>();
  const provider = await startProvider(context, {
    offering: { priceIn: 100, priceOut: 2_000 },
    async payments(peer) {
      paid.resolve(await providerPayments(context, chain, peer, { escrow }));
      return (await paid.promise).payments;
    },
  });
  const { payments, news } = await paid.promise;
  const peer = await startPeer(context, { role: 'client' });
  const order = (payer: Uint8Array): PaidOrder => {
    const { jobId, offer, signed } = makeOffer(provider, peer, {
      payment: { chain: payments.pay.chain, program: payments.pay.program, payer, amount: 1_000 },
    });
    return { jobId, offer, offerSigned: signed, quote: { priceIn: 100, priceOut: 2_000 } as Quote };
  };
  const lock = (buyer: Escrow, { offer, offerSigned, quote }: PaidOrder) =>
    buyer.createJob({ authority: whole.wallet, terms: termsOf(offer, offerSigned.body, quote) });
  const { escrow: buyer } = await clientPayments(context, chain);
  return { payments, news, order, lock, buyer, waits };
}

test('clients that never lock do not block one that did, and few are polled at a time', async (context) => {
  const { payments, order, lock, buyer, waits } = await start(context);
  const refused: unknown[] = [];
  const unpaid = Array.from({ length: 200 }, () =>
    payments.secure(order(randomBytes(32))).catch((error: unknown) => refused.push(error)),
  );
  const own = order(buyer.wallet);
  await lock(buyer, own);
  await payments.secure(own);
  assert.ok(waits.most <= 32, `${waits.most} at a time`);
  await payments.stop();
  await Promise.all(unpaid);
  assert.ok(refused.some((error) => error instanceof OfferRefusal && error.code === 'busy'));
});

test('few refused offers are polled at a time, and the payments of the others are declined, too', async (context) => {
  const { payments, news, order, lock, buyer, waits } = await start(context);
  for (let each = 0; each < 200; each++) payments.decline(order(randomBytes(32)));
  const own = order(buyer.wallet);
  payments.decline(own);
  await lock(buyer, own);
  await news.until('declined');
  assert.ok(waits.most <= 32, `${waits.most} at a time`);
});
