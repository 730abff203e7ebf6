import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ChannelAccount } from '../../../../src/escrow/accounts.ts';
import { movedClock } from '../../../support/clock.ts';
import { type PayingEscrow, startPaidProvider } from '../../../support/paid.ts';
import { startChain } from '../../../support/payments.ts';
import { openRawChannel } from '../../../support/raw-channel.ts';

// The client's last acknowledgement and the sweep look after one channel at the same time.

type List = () => Promise<readonly ChannelAccount[]>;
type Look = (account: ChannelAccount | null) => Promise<void>;

/** A provider of which a test can hold the sweep's list and each single look, and a channel that is ready to close. */
async function start(context: TestContext) {
  const chain = await startChain(context);
  const clock = movedClock();
  const hold = { list: (list: List) => list(), look: (async () => undefined) as Look };
  const wrap = (escrow: PayingEscrow): PayingEscrow => ({
    ...escrow,
    channels: (...args) => hold.list(() => escrow.channels(...args)),
    async channel(...args) {
      const account = await escrow.channel(...args);
      await hold.look(account);
      return account;
    },
  });
  const { provider, paid } = await startPaidProvider(context, chain, { wrap, payouts: { clock, sweepMs: 20 } });
  const buyer = await chain.wallet();
  const channel = await openRawChannel(context, { provider, buyer });
  // With another one open, the sweep goes on once this one has ended.
  await openRawChannel(context, { provider, buyer });
  await channel.answer({ maxTokens: 10 });
  /** Holds the list of a sweep: resolves once it is asked for. */
  const holdList = (list: (fetch: List) => ReturnType<List>): Promise<void> =>
    new Promise((resolve) => {
      hold.list = (fetch) => {
        hold.list = (next) => next();
        resolve();
        return list(fetch);
      };
    });
  return {
    hold,
    holdList,
    /** The client has no objection, now that the channel may be closed. */
    async close() {
      await chain.warp(121);
      clock.move(121_000);
      assert.equal(await channel.send(), '');
    },
    ended: () => paid.channelNews.until('closed'),
    /** What was reported of the channel, once the sweep under way has ended. */
    async states() {
      await holdList((fetch) => fetch());
      return paid.channelNews.all.filter(({ news }) => news.channel === channel.name).map(({ event }) => event);
    },
  };
}

test('a channel whose end both see at once is reported once', async (context) => {
  const { hold, holdList, close, ended, states } = await start(context);
  const closed = Promise.withResolvers<void>();
  const bothLook = Promise.withResolvers<void>();
  let looks = 0;
  // The sweep's list lacks the channel, and its look ends after the other one's news.
  await holdList(async (fetch) => {
    await closed.promise;
    return fetch();
  });
  hold.look = async (account) => {
    if (account !== null) return;
    looks++;
    if (looks === 1) {
      closed.resolve();
      return bothLook.promise;
    }
    bothLook.resolve();
    await ended();
  };
  await close();
  await ended();
  assert.deepEqual([await states(), looks], [['opened', 'closed'], 2]);
});

test('a channel that ends after the sweep got its list is not opened anew', async (context) => {
  const { holdList, close, ended, states } = await start(context);
  await holdList(async (fetch) => {
    const accounts = await fetch();
    assert.equal(accounts.length, 2);
    await ended();
    return accounts;
  });
  await close();
  await ended();
  assert.deepEqual(await states(), ['opened', 'closed']);
});
