import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { OfferRefusal } from '../../../src/node/provider/refusal.ts';
import { createGate } from '../../support/gate.ts';
import { paidPriceOf, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, SOL, startChain } from '../../support/payments.ts';
import { startPeer } from '../../support/peers.ts';
import { type RawOffer, sendOffer } from '../../support/raw-offer.ts';
import { openRawPaidJob, paidOffer, paidQuote, RawPaidJob } from '../../support/raw-paid-job.ts';

// Offers that name a payment cost nothing to make: a client can send any number of them.

async function start(context: TestContext) {
  const chain = await startChain(context);
  const waits = { now: 0, most: 0 };
  const {
    provider,
    paid,
    escrow: seller,
  } = await startPaidProvider(context, chain, {
    wrap: (whole) => ({
      ...whole,
      async waitForJob(...args) {
        waits.most = Math.max(waits.most, ++waits.now);
        return whole.waitForJob(...args).finally(() => waits.now--);
      },
    }),
  });
  const { payments, news } = paid;
  const peer = await startPeer(context, { role: 'client' });
  const quote = await paidQuote(provider, peer);
  const order = (payer: Uint8Array) => ({ ...paidOffer(provider, peer, payer, quote), promptCount: 30 });
  const { escrow: buyer } = await clientPayments(context, chain);
  const lock = ({ signed }: RawOffer) => buyer.createJob({ authority: seller.wallet, offer: signed.body });
  return { payments, news, order, lock, buyer, waits };
}

test('clients that never lock do not block one that did, and few are polled at a time', async (context) => {
  const { payments, order, lock, buyer, waits } = await start(context);
  const refused: unknown[] = [];
  const unpaid = Array.from({ length: 1_000 }, () =>
    payments.secure(order(randomBytes(32))).catch((error: unknown) => refused.push(error)),
  );
  const own = order(buyer.wallet);
  await lock(own);
  await payments.secure(own);
  assert.ok(waits.most <= 32, `${waits.most} at a time`);
  await payments.stop();
  await Promise.all(unpaid);
  assert.ok(refused.some((error) => error instanceof OfferRefusal && error.code === 'busy'));
});

test('few refused offers are polled at a time, and the payments of the others are declined, too', async (context) => {
  const { payments, news, order, lock, buyer, waits } = await start(context);
  for (let each = 0; each < 1_000; each++) payments.decline(order(randomBytes(32)));
  const own = order(buyer.wallet);
  payments.decline(own);
  await lock(own);
  await news.until('declined');
  assert.ok(waits.most <= 32, `${waits.most} at a time`);
});

test('a quote for millions of prompt tokens, locked in full, does not keep others from being served', async (context) => {
  const chain = await startChain(context);
  const gate = createGate(3);
  const script = { beforeStep: gate.beforeStep, slots: 2 };
  const { provider, escrow, paid } = await startPaidProvider(context, chain, { script });
  const buyer = await chain.wallet();
  const peer = await startPeer(context, { role: 'client' });
  // As much as the stake covers once.
  const quote = await paidQuote(provider, peer, { promptTokens: 9_999_000 });
  const greedy = paidOffer(provider, peer, buyer.wallet, quote);
  assert.ok(greedy.offer.payment.amountLamports > (99n * SOL) / 100n);
  await buyer.createJob({ authority: escrow.wallet, offer: greedy.signed.body });
  const job = new RawPaidJob(greedy, await sendOffer(provider, peer, greedy), peer, new Uint8Array(32));
  const taking = job.receive();
  await gate.reached;
  const other = await openRawPaidJob(context, { provider, authority: escrow.wallet, buyer }, { maxTokens: 40 });
  await other.accept();
  gate.open();
  const final = await taking;
  // It pays for the prompt that it has, not for the one that was quoted.
  const { news } = await paid.news.until('submitted', 60_000, (each) => each.news.job === greedy.jobId);
  assert.equal(news.lamports, paidPriceOf(job.promptCount, final.n));
});

test('an answer that the stake does not cover beside the running ones is refused, and refunded', async (context) => {
  const chain = await startChain(context);
  const gate = createGate(3);
  const script = { beforeStep: gate.beforeStep, slots: 2 };
  const { provider, escrow, paid } = await startPaidProvider(context, chain, { script });
  const buyer = await chain.wallet();
  const market = { provider, authority: escrow.wallet, buyer };
  const first = await openRawPaidJob(context, market, { maxTokens: 40 });
  const taking = first.receive();
  await gate.reached;
  // Ten times what both can cost is one lamport more than is left.
  const prices = paidPriceOf(first.promptCount, 40);
  const { stake } = (await escrow.provider(escrow.wallet)) ?? assert.fail('it is not registered');
  await escrow.withdraw(stake - 20n * prices + 1n);
  const second = await openRawPaidJob(context, market, { maxTokens: 40 });
  await assert.rejects(second.accept(), /busy/);
  await paid.news.until('declined', 60_000, ({ news }) => news.job === second.raw.jobId);
  gate.open();
  await taking;
  const { news } = await paid.news.until('submitted', 60_000, (each) => each.news.job === first.raw.jobId);
  assert.equal(news.lamports, prices);
  const { freeStake, lockedStake } = (await escrow.provider(escrow.wallet)) ?? assert.fail();
  assert.deepEqual([lockedStake, freeStake], [10n * prices, 10n * prices - 1n]);
});
