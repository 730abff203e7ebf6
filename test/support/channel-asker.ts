import { cp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import type { ChallengeConsent } from '../../src/node/payment/chain-challenge.ts';
import type { ChannelNews, ChannelPolicy, WalletChannels } from '../../src/node/payment/channel/channels.ts';
import type { Peer } from '../../src/node/peer/peer.ts';
import { startAsker, type TestAsker, type TestAskerInit } from './asking.ts';
import { Events } from './events.ts';
import { temporaryHome } from './home.ts';
import { clientPayments, type PaidClient, type TestChain } from './payments.ts';
import { startPeer } from './peers.ts';

/** Channel news, in the form that `Events` needs. */
export type ClientChannelEvent = {
  readonly [State in ChannelNews['state']]: { readonly event: State; readonly news: ChannelNews };
}[ChannelNews['state']];

export interface ChannelAskerInit extends Omit<TestAskerInit, 'payments'> {
  readonly policy?: Partial<ChannelPolicy>;
  /** @default a new wallet */
  readonly escrow?: PaidClient['escrow'];
  /** Folder of the channels that have not ended. @default a new one */
  readonly channelDir?: string;
  /** What the wallet sees in the place of its node. */
  readonly wrapPeer?: (peer: Peer) => Peer;
  /** Of the wallet. @default the system's */
  readonly clock?: Clock;
  /** @default never */
  readonly mayChallenge?: ChallengeConsent;
}

export interface ChannelAsker extends TestAsker {
  readonly client: PaidClient;
  readonly news: Events<ClientChannelEvent>;
  readonly channelDir: string;
  channels(): Promise<WalletChannels>;
}

/** A client on a real node that pays from channels. */
export async function startChannelAsker(
  context: TestContext,
  chain: TestChain,
  { policy, escrow, clock = systemClock, wrapPeer = (peer) => peer, ...init }: ChannelAskerInit,
): Promise<ChannelAsker> {
  const peer = init.node ?? (await startPeer(context, { role: 'client' }));
  const channelDir = init.channelDir ?? join(await temporaryHome(context), 'channels');
  const news = new Events<ClientChannelEvent>();
  const stored: { of: TestAsker['receipts'] } = { of: new Map() };
  const client = await clientPayments(context, chain, {
    ...(escrow === undefined ? {} : { escrow }),
    receipts: {
      get: async (id) => {
        const receipt = stored.of.get(id as never);
        if (receipt === undefined) throw new Error('no such receipt');
        return { id: id as never, receipt, path: '' } as never;
      },
      settle: async () => undefined as never,
    },
    mayChallenge: init.mayChallenge,
    channels: {
      peer: wrapPeer(peer),
      reach: async () => undefined,
      clock,
      dir: channelDir,
      policy: { pay: 'channel', maxDepositLamports: 1_000_000_000n, ...policy },
      onNews: (each) => news.push({ event: each.state, news: each } as ClientChannelEvent),
    },
  });
  const asker = await startAsker(context, { ...init, node: peer, payments: client.payments });
  stored.of = asker.receipts;
  return {
    ...asker,
    client,
    news,
    channelDir,
    async channels() {
      const { channels } = await client.payments.open();
      if (channels == null) throw new Error('this wallet has no channels');
      return channels;
    },
  };
}

/** A node of which only `open` is another one. */
export function withOpen(peer: Peer, open: Peer['open']): Peer {
  const { key } = peer;
  const addrsOf: Peer['addrsOf'] = (id) => peer.addrsOf(id);
  const learn: Peer['learn'] = (id, addrs) => peer.learn(id, addrs);
  const watchNetwork: Peer['watchNetwork'] = (id) => peer.watchNetwork(id);
  return { ...peer, key, addrsOf, learn, watchNetwork, open };
}

/** A copy of what a process would leave that is killed now: its files without its locks. */
export async function leftOver(context: TestContext, dir: string): Promise<string> {
  const copy = join(await temporaryHome(context), 'channels');
  for (const name of await readdir(dir)) if (name.endsWith('.slots')) await cp(join(dir, name), join(copy, name));
  return copy;
}
