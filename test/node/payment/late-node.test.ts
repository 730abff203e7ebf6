import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { JobId } from '../../../src/lib/types.ts';
import { Deliveries } from '../../../src/node/provider/payment/deliveries.ts';
import { openKeptDeliveries } from '../../../src/node/provider/payment/kept-delivery.ts';
import type { PaymentNews } from '../../../src/node/provider/payment/payouts.ts';
import { startAsker } from '../../support/asking.ts';
import { leftOver, startChannelAsker } from '../../support/channel-asker.ts';
import { temporaryHome } from '../../support/home.ts';
import { testSampler } from '../../support/market.ts';
import { type PayingEscrow, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, startChain } from '../../support/payments.ts';

// The next process of a home meets a node of the chain that is late: it knows neither an account nor its end.

const maxPrice = 10_000_000;
const sampler = { ...testSampler, maxTokens: 10 };
const chainDown = async (): Promise<never> => {
  throw new QvacError('E_CHAIN', 'the chain does not answer');
};

function late(whole: PayingEscrow): PayingEscrow {
  const none = async (): Promise<null> => null;
  return { ...whole, job: none, jobOutcome: none, channel: none, channelOutcome: none };
}

async function start(context: TestContext) {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain);
  return { chain, provider };
}

test('the payment of a job is not given up', async (context) => {
  const { chain, provider } = await start(context);
  const escrow = await chain.wallet();
  const first = await clientPayments(context, chain, { escrow: { ...escrow, confirmJob: chainDown } });
  const asker = await startAsker(context, { providers: [provider], payments: first.payments });
  const { payment } = await asker.ask({ maxPrice, sampler });
  assert.equal(payment?.state, 'open');
  const statesWith = async (next: PayingEscrow): Promise<readonly string[]> => {
    const { payments } = await clientPayments(context, chain, { dir: first.dir, escrow: next });
    return (await (await payments.open()).resume()).map(({ settlement: { state } }) => state);
  };
  assert.deepEqual(await statesWith(late(escrow)), ['open']);
  assert.equal((await readdir(first.dir)).length, 1);
  assert.deepEqual(await statesWith(escrow), ['confirmed']);
  assert.deepEqual(await readdir(first.dir), []);
});

test('a job that the program does not find is not given up by the process that locked it', async (context) => {
  const { chain, provider } = await start(context);
  const escrow = await chain.wallet();
  const { refused } = await import('../../../src/escrow/program/refusals.ts');
  const confirmJob = async (): Promise<never> => {
    throw refused('NoAccount');
  };
  const { payments, dir } = await clientPayments(context, chain, {
    escrow: { ...escrow, confirmJob, jobOutcome: async () => null },
  });
  const asker = await startAsker(context, { providers: [provider], payments });
  const { payment } = await asker.ask({ maxPrice, sampler });
  assert.equal(payment?.state, 'open');
  assert.equal((await readdir(dir)).length, 1);
});

test('a channel is not given up', async (context) => {
  const { chain, provider } = await start(context);
  const asker = await startChannelAsker(context, chain, { providers: [provider] });
  await asker.ask({ maxPrice, sampler });
  const channelDir = await leftOver(context, asker.channelDir);
  const { escrow } = asker.client;
  const again = { providers: [provider], node: asker.peer, channelDir };
  const later = await startChannelAsker(context, chain, { ...again, escrow: late(escrow) });
  const [news] = await (await later.channels()).resume();
  assert.equal(news?.outcome, null);
  assert.notEqual(news?.state, 'gone');
  assert.equal((await readdir(channelDir)).filter((name) => name.endsWith('.slots')).length, 1);
});

test('the deposit of a channel is not raised because it is not seen', async (context) => {
  const { chain, provider } = await start(context);
  const policy = { keeps: true };
  const asker = await startChannelAsker(context, chain, { providers: [provider], policy });
  const first = await asker.ask({ maxPrice, sampler });
  await asker.client.payments.stop();
  const { escrow } = asker.client;
  let looks = 0;
  const other = await startChannelAsker(context, chain, {
    providers: [provider],
    node: asker.peer,
    channelDir: asker.channelDir,
    policy,
    escrow: { ...escrow, channel: async (...args) => (looks++ === 0 ? null : escrow.channel(...args)) },
  });
  const second = await other.ask({ maxPrice, sampler });
  assert.equal(second.payment?.channel?.id, first.payment?.channel?.id);
  assert.equal(second.payment?.channel?.deposit, first.payment?.channel?.deposit);
});

test('an answer that was delivered is not forgotten before the chain had five minutes to know it', async (context) => {
  const journal = openKeptDeliveries(join(await temporaryHome(context), 'paid'), silentLogger);
  const jobId = 'ab'.repeat(32) as JobId;
  const signed = (bytes: number) => ({ body: new Uint8Array(bytes), sig: new Uint8Array(64) });
  await journal.write(jobId, { address: new Uint8Array(32), head: signed(202), ack: signed(86) });
  const news: PaymentNews[] = [];
  let now = 0;
  const chain = await startChain(context);
  const deliveries = new Deliveries({
    escrow: late(await chain.wallet()),
    journal,
    steps: { remove: async () => undefined } as never,
    onNews: (each) => news.push(each),
    releaseStake: () => undefined,
    end: new AbortController().signal,
    now: () => now,
  });
  await deliveries.recall();
  for (const at of [0, 1, 299_999]) {
    now = at;
    await deliveries.concludeOthers([]);
    assert.deepEqual([news, (await journal.read()).size, deliveries.has(jobId)], [[], 1, true]);
  }
  now = 300_000;
  await deliveries.concludeOthers([]);
  assert.deepEqual([news.map(({ state }) => state), (await journal.read()).size], [['gone'], 0]);
});
