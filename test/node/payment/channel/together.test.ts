import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../../src/errors.ts';
import { raceSignal } from '../../../../src/lib/abort.ts';
import type { JobId } from '../../../../src/lib/types.ts';
import type { WantedPlace } from '../../../../src/node/payment/channel/channels.ts';
import type { ChannelPlace } from '../../../../src/node/payment/channel/open-channel.ts';
import { type ChannelAskerInit, startChannelAsker } from '../../../support/channel-asker.ts';
import { testSampler } from '../../../support/market.ts';
import { type PayingEscrow, startPaidProvider } from '../../../support/paid.ts';
import { startChain } from '../../../support/payments.ts';

// Questions of one wallet at the same moment, as a gateway asks them, and what a chain that fails leaves behind.

const maxPrice = 10_000_000;
const sampler = { ...testSampler, maxTokens: 10 };

/** @param wrap what the client sees instead of its escrow */
async function start(
  context: TestContext,
  init: Omit<ChannelAskerInit, 'providers'> = {},
  wrap: (escrow: PayingEscrow) => PayingEscrow = (escrow) => escrow,
) {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain, { script: { slots: 4 } });
  const escrow = wrap(await chain.wallet());
  const asker = await startChannelAsker(context, chain, { providers: [provider], escrow, ...init });
  return { chain, provider, asker };
}

test('they take up the one channel that an earlier process kept', async (context) => {
  const { chain, provider, asker: before } = await start(context, { policy: { keeps: true } });
  await before.ask({ maxPrice, sampler });
  const { news: opened } = await before.news.until('opened');
  await before.client.payments.stop();
  const after = await startChannelAsker(context, chain, {
    providers: [provider],
    node: before.peer,
    escrow: before.client.escrow,
    channelDir: before.channelDir,
  });
  const answers = await Promise.all([1, 2].map(() => after.ask({ maxPrice, sampler })));
  assert.deepEqual(new Set(answers.map(({ payment }) => payment?.channel?.id)), new Set([opened.channel]));
  assert.equal((await (await after.channels()).list()).length, 1);
});

test('one that is stopped while it opens the channel for all stops no other one', async (context) => {
  const isOpening = Promise.withResolvers<void>();
  let calls = 0;
  const { asker } = await start(context, { policy: { pay: 'auto' } }, (escrow) => ({
    ...escrow,
    async openChannel(terms, options) {
      if (++calls > 1) return escrow.openChannel(terms, options);
      isOpening.resolve();
      return raceSignal(new Promise<never>(() => undefined), options?.signal);
    },
  }));
  // The first answer of a provider is paid by a job.
  await asker.ask({ maxPrice, sampler });
  const stopping = new AbortController();
  const stopped = asker.ask({ maxPrice, sampler }, { signal: stopping.signal });
  await isOpening.promise;
  const other = asker.ask({ maxPrice, sampler });
  stopping.abort(new Error('the person left'));
  await assert.rejects(stopped);
  // The provider still waits for the channel of the terms that it signed.
  assert.equal((await other).payment?.state, 'confirmed');
});

test('a deposit that was raised though the chain did not say so counts against the limit', async (context) => {
  const raised: bigint[] = [];
  const { asker } = await start(context, { policy: { pay: 'channel', refillsAhead: false } }, (escrow) => ({
    ...escrow,
    async topUpChannel(channel, lamports, options) {
      const executed = await escrow.topUpChannel(channel, lamports, options);
      raised.push(lamports);
      if (raised.length === 1) throw new QvacError('E_CHAIN', 'the chain did not confirm within 60 s');
      return executed;
    },
  }));
  const { payment } = await asker.ask({ maxPrice, sampler, maxDepositLamports: 200_000n });
  const [listed] = await (await asker.channels()).list();
  const { channel } = listed ?? assert.fail('no channel');
  const maxDepositLamports = channel.depositLamports + 2n * (payment?.locked ?? 0n);
  const ask = () => asker.ask({ maxPrice, sampler, maxDepositLamports });
  while (channel.leftLamports >= (payment?.locked ?? 0n)) await ask();
  await assert.rejects(ask(), { code: 'E_CHAIN' });
  // What was raised pays, and nothing more is raised.
  assert.equal((await ask()).payment?.state, 'released');
  assert.deepEqual([raised.length, channel.depositLamports], [1, maxDepositLamports]);
  const account = (await (await asker.channels()).list())[0]?.account;
  assert.equal(account?.deposit, maxDepositLamports);
});

test('a question that takes a place while the channel begins to be closed keeps it open', async (context) => {
  let beforeLook = async (): Promise<void> => undefined;
  const { provider, asker } = await start(context, {}, (escrow) => ({
    ...escrow,
    async channel(address, options) {
      await beforeLook();
      return escrow.channel(address, options);
    },
  }));
  await asker.ask({ maxPrice, sampler });
  const channels = await asker.channels();
  const [listed] = await channels.list();
  const { channel } = listed ?? assert.fail('no channel');
  const { releasedLamports } = channel.totals;
  const { card, peer } = provider.card();
  const pay = card.pay ?? assert.fail('it is free');
  const wanted = { provider: peer, key: card.peer, pay, slots: 4, amountLamports: 1_000n };
  const places: ChannelPlace[] = [];
  beforeLook = async () => {
    beforeLook = async () => undefined;
    const place = (await channels.place(wanted)) ?? assert.fail('no place');
    place.begin('ab'.repeat(32) as JobId);
    await place.commit(900n).kept;
    places.push(place);
  };
  await assert.rejects(channels.close(channel.id), { code: 'E_BUSY' });
  // It was not released before its checks, and goes on.
  assert.deepEqual(channel.totals, { committedLamports: releasedLamports + 900n, releasedLamports });
  await places[0]?.conclude(null);
  assert.equal(channel.kept.phase, 'open');
});

test('an answer that ends right after the deposit could not be raised makes room for the one that waits', async (context) => {
  const { provider, asker } = await start(context);
  await asker.ask({ maxPrice, sampler });
  const channels = await asker.channels();
  const [listed] = await channels.list();
  const { channel } = listed ?? assert.fail('no channel');
  const { card, peer } = provider.card();
  const pay = card.pay ?? assert.fail('it is free');
  const underWay = channel.reserve(channel.leftLamports);
  const wanted: WantedPlace = {
    ...{ provider: peer, key: card.peer, pay, slots: 4, amountLamports: 1_000n },
    // Read when the raise is considered.
    get maxDepositLamports() {
      queueMicrotask(() => underWay.leave());
      return channel.depositLamports;
    },
  };
  const place = await channels.place(wanted);
  assert.equal(place?.channel, channel);
});
