import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ackStallMs, maxAckWaitMs } from '../../../src/protocol/constants.ts';
import { finish } from '../../../src/protocol/messages.ts';
import { manualTimer } from '../../support/clock.ts';
import type { TestProvider } from '../../support/market.ts';
import { type PayingEscrow, startPaidProvider } from '../../support/paid.ts';
import { type PaidProvider, startChain } from '../../support/payments.ts';
import { startPeer } from '../../support/peers.ts';
import { openRawPaidJob, type RawPaidJob } from '../../support/raw-paid-job.ts';

// Clients that take a paid answer and stop to acknowledge it, or leave. `grace` is 64 here.

const grace = 64;
const fee = 5_000n;

async function start(context: TestContext) {
  const chain = await startChain(context);
  const timer = manualTimer();
  const { provider, paid, escrow } = await startPaidProvider(context, chain, { timer });
  const [buyer, peer] = [await chain.wallet(), await startPeer(context, { role: 'client' })];
  const open = (): Promise<RawPaidJob> =>
    openRawPaidJob(context, { provider, authority: escrow.wallet, buyer }, { maxTokens: 300 }, peer);
  /** Lets the provider wait in vain for an acknowledgement. */
  const stall = async (): Promise<void> => {
    await timer.waiting();
    timer.advance(ackStallMs);
  };
  return { chain, provider, paid, escrow, buyer, open, timer, stall };
}

/** Acknowledges these counts, each once as many tokens have come. */
async function acknowledge(job: RawPaidJob, counts: readonly number[]): Promise<void> {
  await job.accept();
  for (const n of counts) {
    await job.tokens(n);
    await job.ack(n);
  }
}

/** The tokens under the final head of a job, and what the provider is paid for them. */
async function submissionOf(provider: TestProvider, paid: PaidProvider, { raw: { jobId } }: RawPaidJob) {
  const ended = await provider.events.until('job-finished', 60_000, ({ job }) => job === jobId);
  const { news } = await paid.news.until('submitted', 60_000, (each) => each.news.job === jobId);
  return { n: ended.tokens, reason: ended.finish, lamports: news.lamports };
}

const isOpen = async (buyer: PayingEscrow, { account }: RawPaidJob): Promise<boolean> =>
  (await buyer.job(account)) !== null;

test('a client that acknowledges nothing receives nothing: the provider declines', async (context) => {
  const { provider, paid, buyer, open, stall } = await start(context);
  const job = await open();
  await job.accept();
  await stall();
  const final = await job.final();
  assert.deepEqual([final.n, final.finish, job.received], [0, finish.brokenOff, 0]);
  await paid.news.until('declined');
  assert.deepEqual([await isOpen(buyer, job), provider.engine.slots.used], [false, 0]);
});

test('a client that stops to acknowledge gets no more than the grace beyond, and pays for it', async (context) => {
  const { provider, paid, open, stall } = await start(context);
  // Around heads and around the grace.
  for (const counts of [
    [0, 1],
    [0, 1, 31],
    [0, 1, 32],
    [0, 1, 33],
    [0, 1, 32, 64],
    [0, 1, 32, 65],
    [0, 1, 32, 64, 96, 128],
  ]) {
    const job = await open();
    await acknowledge(job, counts);
    const acked = counts.at(-1) ?? 0;
    await job.tokens(acked + grace);
    await stall();
    const final = await job.final();
    assert.deepEqual(
      [final.n, final.finish, job.received],
      [acked + grace, finish.brokenOff, acked + grace],
      `${counts}`,
    );
    const { lamports } = await submissionOf(provider, paid, job);
    assert.equal(lamports, job.price(acked, final.n), `${counts}`);
    assert.equal(lamports, job.price(final.n, final.n), `${counts}: not a token for nothing`);
  }
  assert.equal(provider.engine.slots.used, 0);
});

test('a client that acknowledges the prompt alone gets one token for nothing, and pays for the prompt', async (context) => {
  const { provider, paid, open, stall } = await start(context);
  const job = await open();
  await acknowledge(job, [0]);
  await job.tokens(1);
  await stall();
  const final = await job.final();
  assert.deepEqual([final.n, job.received], [1, 1]);
  const { lamports } = await submissionOf(provider, paid, job);
  assert.equal(lamports, job.price(0, 0));
  assert.ok(lamports > 0n);
});

test('a client that leaves is paid for by what it acknowledged, wherever it leaves', async (context) => {
  const { chain, provider, paid, escrow, buyer, open } = await start(context);
  const lamportsOf = async () => {
    const account = await escrow.provider(escrow.wallet);
    return { buyer: await buyer.balance(), seller: await escrow.balance(), stake: account?.stake ?? 0n };
  };
  const before = await lamportsOf();
  const owed: (readonly [job: RawPaidJob, lamports: bigint])[] = [];
  // The last acknowledgement has arrived if a token came that only it allows.
  for (const [counts, taken] of [
    [[0], 1],
    [[0, 1], 2],
    [[0, 1], 31],
    [[0, 1], 32],
    [[0, 1], 33],
    [[0, 1], 65],
    [[0, 1, 32], 66],
    [[0, 1, 32], 96],
    [[0, 1, 32, 64], 97],
    [[0, 1, 32, 64, 96, 128], 161],
  ] as const) {
    const job = await open();
    await acknowledge(job, counts);
    await job.tokens(taken);
    job.stream.abort(new Error('gone'));
    const { n, reason, lamports } = await submissionOf(provider, paid, job);
    const acked = counts.at(-1) ?? 0;
    assert.ok(n >= taken && n <= (acked === 0 ? 1 : acked + grace), `${n} tokens after ${counts}`);
    assert.deepEqual([reason, lamports], [finish.brokenOff, job.price(acked, n)], `${counts}`);
    owed.push([job, lamports]);
  }
  // The client is gone: the provider has each payment released once the client had its time to object.
  await chain.warp(301);
  for (const [job, lamports] of owed) {
    const { news } = await paid.news.until('paid', 60_000, (each) => each.news.job === job.raw.jobId);
    assert.equal(news.lamports, lamports);
    assert.equal(await isOpen(buyer, job), false);
  }
  assert.equal(provider.engine.slots.used, 0);
  // Nothing else moved: fees for each lock, submission (with a signature that is checked) and release.
  const all = owed.reduce((sum, [, lamports]) => sum + lamports, 0n);
  const jobs = BigInt(owed.length);
  assert.deepEqual(await lamportsOf(), {
    buyer: before.buyer - all - jobs * fee,
    seller: before.seller - jobs * 3n * fee,
    stake: before.stake + all,
  });
});

test('a client that leaves before the accept, or right after it, is refunded', async (context) => {
  const { paid, buyer, open } = await start(context);
  const early = await open();
  early.stream.abort(new Error('gone'));
  const later = await open();
  await later.accept();
  later.stream.abort(new Error('gone'));
  for (const job of [early, later]) {
    await paid.news.until('declined', 60_000, ({ news }) => news.job === job.raw.jobId);
    assert.equal(await isOpen(buyer, job), false);
  }
});

test('repeated acknowledgements hold a slot no longer than none', async (context) => {
  const { provider, paid, open, timer } = await start(context);
  const job = await open();
  await acknowledge(job, [0, 1]);
  await job.tokens(1 + grace);
  for (let quarter = 1; quarter <= 4; quarter++) {
    await timer.waiting();
    timer.advance(ackStallMs / 4);
    if (quarter < 4) await job.ack(1);
  }
  const { finish: reason, n } = await job.final();
  assert.deepEqual([reason, n], [finish.brokenOff, 1 + grace]);
  const { lamports } = await submissionOf(provider, paid, job);
  assert.equal(lamports, job.price(n, n));
  assert.equal(provider.engine.slots.used, 0);
});

test('crawling acknowledgements hold a slot for no longer than all waits together may last', async (context) => {
  const { provider, paid, open, timer } = await start(context);
  const job = await open();
  await acknowledge(job, [0, 1]);
  let acked = 1;
  for (let waitedMs = 0; ; acked++) {
    await job.tokens(acked + grace);
    await timer.waiting();
    timer.advance(ackStallMs / 4);
    waitedMs += ackStallMs / 4;
    if (waitedMs >= maxAckWaitMs) break;
    await job.ack(acked + 1);
  }
  const { finish: reason, n } = await job.final();
  assert.deepEqual([reason, n], [finish.brokenOff, acked + grace]);
  const { lamports } = await submissionOf(provider, paid, job);
  assert.equal(lamports, job.price(n, n));
  assert.equal(provider.engine.slots.used, 0);
});
