import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fromHex } from '../../../../src/lib/bytes.ts';
import { silentLogger } from '../../../../src/lib/log.ts';
import { openKeptChannels } from '../../../../src/node/provider/payment/channel/kept-channel.ts';
import { type Ack, ackStop, finish } from '../../../../src/protocol/messages.ts';
import { decodeAck } from '../../../../src/protocol/validate.ts';
import { movedClock } from '../../../support/clock.ts';
import { createGate } from '../../../support/gate.ts';
import { type PaidProviderInit, startPaidProvider } from '../../../support/paid.ts';
import { providerPayments, SOL, startChain } from '../../../support/payments.ts';
import { startPeer } from '../../../support/peers.ts';
import { openRawChannel, type RawChannelInit } from '../../../support/raw-channel.ts';

// A provider and a channel whose client keeps only the rules that a test lets it keep.

async function start(context: TestContext, init: PaidProviderInit = {}, channelInit: RawChannelInit = {}) {
  const chain = await startChain(context);
  const started = await startPaidProvider(context, chain, init);
  const buyer = await chain.wallet();
  const channel = await openRawChannel(context, { provider: started.provider, buyer }, channelInit);
  return { chain, ...started, buyer, channel };
}

/** What the provider's process has on disk of its one channel. */
async function keptTotals(dir: string): Promise<Ack> {
  const journal = openKeptChannels(dir, silentLogger);
  const [kept] = [...(await journal.read()).values()];
  return decodeAck(kept?.committed?.body ?? assert.fail('nothing is kept'));
}

/** Repeats the check until it holds. */
async function eventually(holds: () => Promise<boolean> | boolean): Promise<void> {
  const limit = AbortSignal.timeout(60_000);
  while (!(await holds())) {
    limit.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('a session costs two transactions: answers in it touch no chain, and both sides close it together', async (context) => {
  const { chain, escrow, buyer, channel, paid } = await start(context);
  const opened = await buyer.balance();
  for (let each = 0; each < 3; each++) await channel.answer({ maxTokens: 10 });
  assert.ok(channel.committed > 0n && channel.committed === channel.released);
  const seller = await escrow.balance();
  // Nothing has happened on the chain since the channel was opened.
  assert.equal(await buyer.balance(), opened);
  assert.deepEqual([(await channel.account()).committed, (await channel.account()).settled], [0n, 0n]);
  assert.equal(await channel.send(), '');
  await chain.warp(121);
  const { news } = await paid.channelNews.until('closed');
  assert.equal(news.lamports, channel.committed);
  // The payer has the rest of the deposit and the account's rent back, and paid no fee for that.
  const rent = await buyer.rent(270);
  assert.equal(await buyer.balance(), opened + 20_000_000n - channel.committed + rent);
  assert.equal(await escrow.balance(), seller - 10_000n);
  const account = await escrow.provider(escrow.wallet);
  assert.deepEqual([account?.stake, account?.lockedStake], [10n * SOL + channel.committed, 0n]);
  assert.deepEqual([await readdir(paid.channelDir), await readdir(paid.stepDir)], [[], []]);
});

test('offers are refused that are not of this channel, its client, or within its deposit and life', async (context) => {
  const { chain, provider, buyer, channel } = await start(context, {}, { deposit: 200_000, lifeS: 1_300 });
  const answerOf = async (...args: Parameters<typeof channel.offer>): Promise<string> => {
    const job = await channel.offer(...args);
    return job.accept().then(
      () => 'accept',
      (error: Error) => error.message,
    );
  };
  const payment = { pay: 2, account: new Uint8Array(32).fill(7), amountLamports: 130_000n } as const;
  assert.match(await answerOf({ maxTokens: 40, change: { payment } }), /bad-offer: the channel is not on the chain/);
  assert.match(await answerOf({ maxTokens: 80 }), /bad-offer: the channel has 200000 lamports left for another answer/);
  // Another node's channel, however well it is funded.
  const stranger = await startPeer(context, { role: 'client' });
  const other = await openRawChannel(context, { provider, buyer }, { peer: stranger });
  const theft = { pay: 2, account: other.id, amountLamports: 130_000n } as const;
  assert.match(
    await answerOf({ maxTokens: 40, change: { payment: theft } }),
    /bad-offer: the channel is between other nodes/,
  );
  // A top-up is seen when it is needed.
  await buyer.topUpChannel(await channel.account(), 100_000n);
  assert.equal(await answerOf({ maxTokens: 80 }), 'accept');
  await chain.warp(800);
  await eventually(async () => (await answerOf({ maxTokens: 10 })).includes('expires before'));
});

test('acknowledgements of another channel, with falling totals, above the deposit or below the sum end the job', async (context) => {
  for (const [what, change] of [
    ['of another channel', { account: new Uint8Array(32).fill(7) }],
    ['outside a channel', { account: new Uint8Array(32), committedLamports: 0n, releasedLamports: 0n }],
    ['with falling totals', { committedLamports: 1_000n }],
    ['above the deposit', { committedLamports: 20_000_001n }],
    ['released above what it committed before', { committedLamports: 90_000n, releasedLamports: 90_001n }],
  ] as const) {
    if (what.startsWith('released')) continue;
    const { provider, channel, paid } = await start(context, { script: { beforeStep: createGate(34).beforeStep } });
    const job = await channel.offer({ maxTokens: 80 });
    await job.accept();
    await job.ack(0);
    await job.tokens(1);
    await job.ack(1);
    await job.tokens(32);
    await job.ack(32, change);
    // What was acknowledged before stays acknowledged, and the answer is broken off over what was sent.
    const { finish: reason } = await provider.events.until('job-finished');
    assert.equal(reason, finish.brokenOff, what);
    const kept = paid.payments.channels;
    assert.ok(kept !== undefined && kept !== null);
    assert.equal(await channel.send({ committedLamports: job.priceAt(1), releasedLamports: job.priceAt(1) }), '');
  }
});

test('jobs in parallel share the totals, whatever the order in which their streams arrive', async (context) => {
  const gate = createGate(5);
  const { channel } = await start(
    context,
    { script: { slots: 2, beforeStep: gate.beforeStep } },
    { deposit: 40_000_000, window: 4_000_000 },
  );
  const [one, two] = [await channel.offer({ maxTokens: 20 }), await channel.offer({ maxTokens: 20 })];
  for (const job of [one, two]) {
    await job.accept();
    await job.ack(0);
    await job.tokens(1);
    await job.ack(1);
  }
  gate.open();
  const finished = await Promise.all([one, two].map((job) => job.final()));
  assert.deepEqual(
    finished.map(({ n }) => n),
    [20, 20],
  );
  // The second one's acknowledgement is made first and arrives last.
  channel.commit(two, two.priceAt(20));
  const late = { committedLamports: channel.committed, releasedLamports: 0n };
  await one.ack(20);
  await two.ack(20, late);
  await one.conclude('pass');
  await two.conclude('fail');
  assert.equal(channel.released, one.priceAt(20));
  // A failed answer is never released, and keeps the channel from being closed together.
  assert.match(await channel.send(), /bad-offer: not all that is committed is released/);
  await channel.answer({ maxTokens: 5 });
});

test('beyond the window, and before the last acknowledgement of a job, no further job is taken', async (context) => {
  const gate = createGate(5);
  // A job of 40 tokens may cost 130,000 lamports.
  const { channel } = await start(
    context,
    { script: { slots: 2, queue: 4, beforeStep: gate.beforeStep } },
    { deposit: 2_000_000, window: 200_000 },
  );
  const first = await channel.offer();
  await first.accept();
  const second = await channel.offer();
  await second.accept();
  const third = await channel.offer();
  await assert.rejects(third.accept(), /bad-offer: more is committed and not released, or under way, than the window/);
  gate.open();
  await Promise.all([first.ack(0), second.ack(0)]);
  await Promise.all([first.tokens(1), second.tokens(1)]);
  await Promise.all([first.ack(1), second.ack(1)]);
  await Promise.all([first.final(), second.final()]);
  const waiting = await channel.offer();
  await assert.rejects(waiting.accept(), /bad-offer: job [0-9a-f]{64} waits for its last acknowledgement/);
  for (const job of [first, second]) {
    await job.ack(40);
    await job.conclude('pass');
  }
  await channel.answer({ maxTokens: 5 });
});

test('a client that commits and never releases gets its window, and is waited for no longer than 60 s', async (context) => {
  const timer = movedClock();
  const { channel } = await start(context, { payouts: { timer } });
  const job = await channel.offer({ maxTokens: 10 });
  await job.receive();
  await job.stream.close();
  await job.end();
  await channel.answer({ maxTokens: 10 });
  timer.move(61_000);
  const late = await channel.offer({ maxTokens: 10 });
  await assert.rejects(
    late.accept(),
    /bad-offer: job [0-9a-f]{64} ended more than 60 s ago and is neither released nor failed/,
  );
  // Any later acknowledgement of the channel releases it.
  channel.release(job);
  const last = { jobId: fromHex(job.raw.jobId), n: 10, stop: ackStop.goOn };
  assert.equal(await channel.send(last), '');
  await channel.answer({ maxTokens: 10 });
});

test('a step of the machine’s date is not waiting for a release', async (context) => {
  const clock = movedClock();
  const { channel } = await start(context, { payouts: { clock } });
  const job = await channel.offer({ maxTokens: 10 });
  await job.receive();
  await job.stream.close();
  await job.end();
  clock.move(61_000);
  await channel.answer({ maxTokens: 10 });
});

test('totals are journaled before they count: a provider that is killed goes on with them', async (context) => {
  const gate = createGate(40);
  const { chain, provider, paid, escrow, channel } = await start(context, { script: { beforeStep: gate.beforeStep } });
  await channel.answer({ maxTokens: 10 });
  const job = await channel.offer({ maxTokens: 80 });
  await job.accept();
  await job.ack(0);
  await job.tokens(1);
  await job.ack(1);
  await job.tokens(32);
  await job.ack(32);
  await gate.reached;
  const { committed, released } = channel;
  await eventually(async () => (await keptTotals(paid.channelDir)).committedLamports === committed);
  // Its process is gone: only its disk is left.
  await provider.peer.stop();
  const again = await providerPayments(context, chain, provider.peer, { dir: paid.dir, escrow });
  await again.payments.start();
  context.after(() => again.payments.stop());
  const client = channel.peer.key.publicKey;
  const closing = (change: object): Promise<void> =>
    again.payments.channels?.acknowledge(channel.sign(change), client) ?? assert.fail();
  for (const [change, why] of [
    [{ committedLamports: committed - 1n, releasedLamports: released }, /totals are below/],
    [{ committedLamports: committed - 1n, releasedLamports: committed - 1n }, /totals are below/],
    [{ committedLamports: committed, releasedLamports: released }, /not all that is committed is released/],
  ] as const)
    await assert.rejects(closing(change), why);
  await closing({ committedLamports: committed, releasedLamports: committed });
  await chain.warp(121);
  const { news } = await again.channelNews.until('closed');
  assert.equal(news.lamports, committed);
});

test('what is released is settled above ten fees, before the channel expires, and when the provider stops', async (context) => {
  const { chain, provider, paid, channel } = await start(context, {}, { deposit: 20_000_000, lifeS: 1_300 });
  // An answer of 40 tokens costs 80,000 lamports and its prompt; ten fees are 100,000.
  await channel.answer({ maxTokens: 40 });
  assert.ok(channel.released < 100_000n);
  await channel.answer({ maxTokens: 40 });
  const first = await paid.channelNews.until('settled');
  assert.equal(first.news.lamports, channel.released);
  assert.equal((await channel.account()).settled, channel.released);
  const before = channel.released;
  await channel.answer({ maxTokens: 40 });
  await chain.warp(1_001);
  await eventually(async () => (await channel.account()).settled === channel.released);
  assert.ok(channel.released > before);
  await provider.provider.stop();
});

test('a provider that stops brings what is released to the chain', async (context) => {
  const { provider, channel } = await start(context);
  await channel.answer({ maxTokens: 20 });
  await provider.provider.stop();
  assert.equal((await channel.account()).settled, channel.released);
});

test('a client that vanishes: the provider asks for the closing at expiry, and has what was committed', async (context) => {
  const { chain, paid, escrow, channel } = await start(context, {}, { lifeS: 1_300 });
  const job = await channel.offer({ maxTokens: 20 });
  await job.receive();
  job.stream.abort(new Error('gone'));
  await chain.warp(1_301);
  await paid.channelNews.until('closing');
  assert.deepEqual([(await channel.account()).committed, (await channel.account()).settled], [channel.committed, 0n]);
  await chain.warp(18_000);
  const { news } = await paid.channelNews.until('finished');
  assert.equal(news.lamports, channel.committed);
  assert.equal((await escrow.provider(escrow.wallet))?.lockedStake, 0n);
});

test('a client that voids its own “no objection” on the chain keeps neither the payout nor the stake', async (context) => {
  const { chain, paid, escrow, buyer, channel } = await start(context, {}, { lifeS: 1_300 });
  const job = await channel.answer({ maxTokens: 20 });
  assert.equal(await channel.send(), '');
  // Before the provider may close: totals of one lamport more, so that the program refuses the older ones.
  const totals = { committedLamports: channel.committed + 1n, releasedLamports: 0n };
  const later = channel.sign({ jobId: fromHex(job.raw.jobId), stop: ackStop.goOn, ...totals });
  await buyer.settleChannel(await channel.account(), later);
  await chain.warp(1_301);
  await paid.channelNews.until('closing');
  assert.equal((await channel.account()).settled, channel.released);
  await chain.warp(18_000);
  await paid.channelNews.until('finished');
  const account = await escrow.provider(escrow.wallet);
  assert.deepEqual([account?.stake, account?.lockedStake], [10n * SOL + channel.committed + 1n, 0n]);
});

test('a payer that asks the chain to close, and rejects, burns what it did not release', async (context) => {
  const { chain, paid, buyer, channel } = await start(context);
  await channel.answer({ maxTokens: 20 });
  const failed = await channel.offer({ maxTokens: 20 });
  await failed.receive();
  await failed.conclude('fail');
  await chain.warp(121);
  await buyer.requestCloseChannel(await channel.account());
  await eventually(async () => (await channel.account()).committed === channel.committed);
  const late = await channel.offer({ maxTokens: 5 });
  await assert.rejects(late.accept(), /bad-offer: the channel is being closed/);
  await buyer.rejectChannel(await channel.account(), new Uint8Array(32).fill(1));
  const before = await buyer.balance();
  await chain.warp(18_000);
  await paid.channelNews.until('finished');
  const rest = 20_000_000n - channel.committed;
  assert.equal(await buyer.balance(), before + rest + (await buyer.rent(270)));
});

test('acknowledgements outside a job that are of another node, channel or time are refused', async (context) => {
  const { channel } = await start(context);
  await channel.answer({ maxTokens: 10 });
  const stranger = await startPeer(context, { role: 'client' });
  assert.match(await channel.send({}, stranger.key), /bad-offer: the acknowledgement’s signature is invalid/);
  assert.match(
    await channel.send({ account: new Uint8Array(32).fill(3) }),
    /bad-offer: no open channel of this node has that id/,
  );
  const old = { committedLamports: channel.committed - 1n, releasedLamports: channel.committed - 1n };
  assert.match(await channel.send(old), /bad-offer: the totals are below those that were acknowledged before/);
  const beyond = { committedLamports: 20_000_001n, releasedLamports: 20_000_001n };
  assert.match(await channel.send(beyond), /bad-offer: more committed than deposited/);
  assert.equal(await channel.send(), '');
  const after = await channel.offer({ maxTokens: 5 });
  await assert.rejects(after.accept(), /bad-offer: the channel is being closed/);
});

test('every step that a signed head covers is kept until the channel has ended', async (context) => {
  const gate = createGate(34);
  const { paid, channel } = await start(context, { script: { beforeStep: gate.beforeStep } });
  const job = await channel.offer({ maxTokens: 40 });
  await job.accept();
  await job.ack(0);
  await job.tokens(1);
  await job.ack(1);
  while (job.heads.length === 0) await job.next();
  // The head was sent after its steps were written.
  const [file] = await readdir(join(paid.stepDir, channel.name));
  assert.equal(file, `${job.raw.jobId}.steps`);
  gate.open();
  await job.ack(32);
  await job.final();
});
