import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silentLogger } from '../../../../src/lib/log.ts';
import type { JobId } from '../../../../src/lib/types.ts';
import type { WantedPlace } from '../../../../src/node/payment/channel/channels.ts';
import type { ChannelPlace } from '../../../../src/node/payment/channel/open-channel.ts';
import { openKeptChannels } from '../../../../src/node/provider/payment/channel/kept-channel.ts';
import { channelProtocol } from '../../../../src/protocol/constants.ts';
import { decodeAck } from '../../../../src/protocol/validate.ts';
import { startChannelAsker, withOpen } from '../../../support/channel-asker.ts';
import { testSampler } from '../../../support/market.ts';
import { startPaidProvider } from '../../../support/paid.ts';
import { startChain } from '../../../support/payments.ts';

// Answers that end at the same time in one channel, of which the provider does not hear at once.

const maxPrice = 10_000_000;
const sampler = { ...testSampler, maxTokens: 10 };

/** Two answers under way in a channel, and what its client does before it hands the provider totals. */
async function start(context: TestContext) {
  const chain = await startChain(context);
  const { provider, paid } = await startPaidProvider(context, chain);
  const before = { open: async (): Promise<void> => undefined };
  const asker = await startChannelAsker(context, chain, {
    providers: [provider],
    wrapPeer: (peer) =>
      withOpen(peer, async (target, protocol, options) => {
        if (protocol === channelProtocol) await before.open();
        return peer.open(target, protocol, options);
      }),
  });
  await asker.ask({ maxPrice, sampler });
  const channels = await asker.channels();
  const { card, peer } = provider.card();
  const pay = card.pay ?? assert.fail('it is free');
  const wanted: WantedPlace = { provider: peer, key: card.peer, pay, slots: 4, amountLamports: 1_000n };
  const place = async (): Promise<ChannelPlace> => (await channels.place(wanted)) ?? assert.fail('no place');
  async function begin(name: string): Promise<ChannelPlace> {
    const begun = await place();
    begun.begin(name.repeat(32) as JobId);
    await begun.commit(900n).kept;
    return begun;
  }
  return {
    before,
    channels,
    place,
    one: await begin('a1'),
    other: await begin('b2'),
    /** What the provider has on disk. */
    async released() {
      const [kept] = [...(await openKeptChannels(paid.channelDir, silentLogger).read()).values()];
      return decodeAck(kept?.released?.body ?? assert.fail('nothing is kept')).releasedLamports;
    },
  };
}

/** Fails the next time, and is then undone. */
function failingOnce(before: { open: () => Promise<void> }): void {
  before.open = async () => {
    before.open = async () => undefined;
    throw new Error('the connection is gone');
  };
}

test('an answer that is released while the provider is told of another one is told, too', async (context) => {
  const { before, channels, place, one, other, released } = await start(context);
  await one.conclude(null);
  failingOnce(before);
  channels.delivered(one, false);
  const isSigned = Promise.withResolvers<void>();
  const mayGo = Promise.withResolvers<void>();
  before.open = () => {
    isSigned.resolve();
    return mayGo.promise;
  };
  // The next answer has the provider told first.
  const next = place();
  await isSigned.promise;
  before.open = async () => undefined;
  await other.conclude(null);
  mayGo.resolve();
  await next;
  channels.delivered(other, false);
  await place();
  assert.equal(await released(), other.channel.totals.releasedLamports);
});

test('an answer of which the provider was not told is still told once an older one was delivered', async (context) => {
  const { before, channels, place, one, other, released } = await start(context);
  await other.conclude(null);
  await one.conclude(null);
  failingOnce(before);
  channels.delivered(one, false);
  // It left with the totals of the time before.
  channels.delivered(other, true);
  await place();
  assert.equal(await released(), one.channel.totals.releasedLamports);
});
