import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { delay } from '../../../src/lib/abort.ts';
import { fromHex } from '../../../src/lib/bytes.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { quotedLamports } from '../../../src/protocol/messages/quote.ts';
import { startPaidProvider } from '../../support/paid.ts';
import { SOL, startChain } from '../../support/payments.ts';
import { startPeer } from '../../support/peers.ts';
import { firstFrame, type RawOffer, sendOffer } from '../../support/raw-offer.ts';
import { paidOffer, paidQuote } from '../../support/raw-paid-job.ts';

// Quotes, offers and accounts that are not those of the job: nothing of it is served.

async function start(context: TestContext) {
  const chain = await startChain(context);
  let sweeps = 0;
  const { provider, paid, escrow } = await startPaidProvider(context, chain, {
    wrap: (whole) => ({ ...whole, jobs: (...args) => ((sweeps += 1), whole.jobs(...args)) }),
  });
  const [buyer, peer] = [await chain.wallet(), await startPeer(context, { role: 'client' })];
  const addressOf = ({ jobId, offer }: RawOffer): Uint8Array => buyer.jobAddress(offer.payment.account, fromHex(jobId));
  return {
    chain,
    provider,
    paid,
    escrow,
    buyer,
    peer,
    lock: (raw: RawOffer) => buyer.createJob({ authority: escrow.wallet, offer: raw.signed.body }),
    /** `accept`, or the refusal. */
    async answer(raw: RawOffer, from: Peer = peer): Promise<string> {
      const stream = await sendOffer(provider, from, raw);
      const frame = await firstFrame(stream);
      stream.abort(new Error('enough'));
      return frame?.t === 'error' ? `${frame.code}: ${frame.message}` : (frame?.t ?? 'closed');
    },
    async refunded(raw: RawOffer): Promise<void> {
      assert.equal(await buyer.waitForJob(addressOf(raw), (job) => job === null), null);
      const outcome = await buyer.jobOutcome(addressOf(raw));
      assert.deepEqual([outcome?.how, outcome?.refunded], ['refunded', raw.offer.payment.amountLamports]);
    },
    /** The provider looked through its jobs this many times more. */
    async swept(times: number): Promise<void> {
      const until = sweeps + times;
      const limit = AbortSignal.timeout(60_000);
      while (sweeps < until) await delay(20, limit);
    },
    /** Nothing was computed. */
    assertIdle(): void {
      assert.equal(
        provider.events.all.some(({ event }) => event === 'job-accepted'),
        false,
      );
      assert.equal(provider.engine.slots.used, 0);
    },
  };
}

/** Expires soon, so that its payment is not waited for. */
const brief = () => ({ expiresAt: BigInt(Date.now() + 4_000) });

test('two questions on one quote: the second is refused, and its payment comes back', async (context) => {
  const { provider, buyer, peer, lock, answer, refunded } = await start(context);
  const quote = await paidQuote(provider, peer);
  const [first, second] = [
    paidOffer(provider, peer, buyer.wallet, quote),
    paidOffer(provider, peer, buyer.wallet, quote),
  ];
  await Promise.all([lock(first), lock(second)]);
  assert.equal(await answer(first), 'accept');
  assert.match(await answer(second), /^bad-offer: the quote is unknown or was used before/);
  await refunded(second);
});

test('a quote of another client or of another length, and an offer a second time, are refused and refunded', async (context) => {
  const { provider, buyer, peer, lock, answer, refunded } = await start(context);
  const other = await startPeer(context, { role: 'client' });
  const stolen = paidOffer(provider, peer, buyer.wallet, await paidQuote(provider, other));
  const longer = await paidQuote(provider, peer, { maxTokens: 41 });
  const amountLamports = quotedLamports({ ...longer.quote, maxTokens: 42 });
  const tooLong = paidOffer(provider, peer, buyer.wallet, longer);
  const { sampler, payment } = tooLong.offer;
  const stretched = paidOffer(provider, peer, buyer.wallet, longer, {
    sampler: { ...sampler, maxTokens: 42 },
    payment: { ...payment, amountLamports },
  });
  for (const [raw, why] of [
    [stolen, /^bad-offer: the quote is for another client/],
    [stretched, /^bad-offer: the quote covers fewer tokens/],
  ] as const) {
    await lock(raw);
    assert.match(await answer(raw), why);
    await refunded(raw);
    // The same account once more does not make it another offer.
    await lock(raw);
    assert.match(await answer(raw), /^bad-offer: the offer was seen before/);
    await refunded(raw);
  }
});

test('an offer without an account of its own is not served, whatever other accounts its client has', async (context) => {
  const { provider, buyer, peer, lock, answer, assertIdle } = await start(context);
  const quotes = await Promise.all([paidQuote(provider, peer), paidQuote(provider, peer, { maxTokens: 10 })]);
  const [long, short] = quotes;
  // What is locked is the price of another, shorter answer to the same question.
  await lock(paidOffer(provider, peer, buyer.wallet, short));
  const sent = paidOffer(provider, peer, buyer.wallet, long, brief());
  assert.match(await answer(sent), /^bad-offer: the payment is not on the chain/);
  assertIdle();
});

test('an offer that another wallet is to pay is not served by an account of the client’s own', async (context) => {
  const { chain, provider, buyer, peer, lock, answer, assertIdle } = await start(context);
  const rich = await chain.wallet();
  const quote = await paidQuote(provider, peer);
  // The program takes an offer only from the wallet that it names.
  await assert.rejects(lock(paidOffer(provider, peer, rich.wallet, quote)), { code: 'E_ESCROW' });
  assert.match(
    await answer(paidOffer(provider, peer, rich.wallet, quote, brief())),
    /^bad-offer: the payment is not on the chain/,
  );
  assertIdle();
  assert.equal(await buyer.balance(rich.wallet), 20n * SOL);
});

test('an account that pays another wallet with the same node is refused before any work', async (context) => {
  const { chain, provider, buyer, peer, answer, assertIdle } = await start(context);
  const accomplice = await chain.wallet();
  await accomplice.register({ node: provider.peer.key, stake: 10n * SOL });
  const raw = paidOffer(provider, peer, buyer.wallet, await paidQuote(provider, peer));
  await buyer.createJob({ authority: accomplice.wallet, offer: raw.signed.body });
  assert.match(await answer(raw), /^bad-offer: the payment on the chain is not for this provider/);
  assertIdle();
});

test('an account for terms that the provider did not quote is refused before any work, and refunded', async (context) => {
  const { provider, buyer, peer, lock, answer, refunded, assertIdle } = await start(context);
  const quote = await paidQuote(provider, peer);
  const { terms, payment } = paidOffer(provider, peer, buyer.wallet, quote).offer;
  // Each is what the program takes: only this provider never said so.
  const cheap = { ...terms, priceOutLamports: terms.priceOutLamports / 2n };
  const prices = {
    mode: quote.quote.mode,
    priceJob: 0,
    priceIn: quote.quote.priceIn,
    promptTokens: 500,
    maxTokens: 40,
  };
  const halved = quotedLamports({ ...prices, priceOut: Number(cheap.priceOutLamports) });
  for (const [name, change] of [
    ['half the price', { terms: cheap, payment: { ...payment, amountLamports: halved } }],
    ['more grace', { terms: { ...terms, grace: terms.grace + 1 } }],
    ['less time', { terms: { ...terms, deliverWithinS: 60 } }],
  ] as const) {
    const raw = paidOffer(provider, peer, buyer.wallet, quote, change);
    await lock(raw);
    assert.match(await answer(raw), /^bad-offer: the offer has other terms than the quote/, name);
    await refunded(raw);
  }
  assertIdle();
});

test('accounts whose offers never come cost the provider nothing: their maker refunds them', async (context) => {
  const { chain, provider, paid, escrow, buyer, peer, lock, swept } = await start(context);
  const quote = await paidQuote(provider, peer);
  const orphans = Array.from({ length: 3 }, () => paidOffer(provider, peer, buyer.wallet, quote));
  for (const orphan of orphans) await lock(orphan);
  const before = await escrow.balance();
  const account = await escrow.provider(escrow.wallet);
  // They lock no stake, and several sweeps leave them alone.
  assert.equal(account?.freeStake, 10n * SOL);
  await swept(3);
  await chain.warp(600);
  await swept(3);
  assert.equal((await buyer.jobs({ client: buyer.wallet })).length, 3);
  for (const job of await buyer.jobs({ client: buyer.wallet })) await buyer.refundJob(job);
  assert.deepEqual([await escrow.balance(), paid.news.all], [before, []]);
});
