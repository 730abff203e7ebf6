import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { PeerIdString } from '../../../src/lib/types.ts';
import { createCardIssuer } from '../../../src/node/cards/card-issuer.ts';
import type { VerifiedCard } from '../../../src/node/cards/cards.ts';
import { type CachedPeer, PeerCache } from '../../../src/node/discovery/peer-cache.ts';
import { SeedNames, seedNameOf } from '../../../src/node/discovery/seed-names.ts';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { relayContent } from '../../../src/node/relay/card-content.ts';
import { startRelay } from '../../support/circuits.ts';
import { temporaryHome } from '../../support/home.ts';
import { startDiscovery } from '../../support/offers.ts';
import { addressOf, startPeer } from '../../support/peers.ts';

/** A relay with a card. */
async function startCardedRelay(t: TestContext): Promise<Peer> {
  const { peer } = await startRelay(t);
  const components = { peer, clock: systemClock, logger: silentLogger };
  const cards = createCardIssuer(components, { path: null, role: 'relay', content: relayContent });
  await cards.start();
  t.after(() => cards.stop());
  return peer;
}

test('a provider without a seed starts from the relay of its last run', async (t) => {
  const cachePath = join(await temporaryHome(t), 'peers.json');
  const relay = await startCardedRelay(t);
  const kept = async (): Promise<string> => readFile(cachePath, 'utf8').catch(() => '');
  const first = await startPeer(t);
  // It keeps the card once it has come, and writes its list when it stops.
  for (const deadline = performance.now() + 30_000; !(await kept()).includes(relay.id); ) {
    assert.ok(performance.now() < deadline, 'the relay was not kept');
    const discovery = await startDiscovery(t, first, { cachePath, bootstrap: [addressOf(relay)] });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await discovery.stop();
    await first.disconnect(relay.id);
  }
  const peer = await startPeer(t);
  const connected = once(peer.events, 'connect', { signal: AbortSignal.timeout(30_000) });
  await startDiscovery(t, peer, { cachePath });
  assert.deepEqual(await connected, [relay.id]);
});

test('a node starts from the addresses that a name stands for', async (t) => {
  const relay = await startCardedRelay(t);
  const asked: string[] = [];
  const peer = await startPeer(t, { role: 'client' });
  const connected = once(peer.events, 'connect', { signal: AbortSignal.timeout(30_000) });
  const discovery = await startDiscovery(t, peer, {
    bootstrap: ['/dnsaddr/seed.example'],
    resolveTxt: async (name) => {
      asked.push(name);
      return name === '_dnsaddr.seed.example'
        ? [['dnsaddr=/dnsaddr/more.example'], ['unrelated'], ['dnsaddr=/ip4/127.0.0.1/tcp/1']]
        : [['dnsaddr=', addressOf(relay)], ['dnsaddr=/dnsaddr/seed.example/x']];
    },
  });
  assert.deepEqual(await connected, [relay.id]);
  assert.deepEqual(asked, ['_dnsaddr.seed.example', '_dnsaddr.more.example']);
  const [found] = await discovery.find({ role: 'relay' });
  assert.equal(found?.peer, relay.id);
});

test('a name is looked up again only after a while, and not more than three names deep', async () => {
  let now = 0;
  let asked = 0;
  const seeds = new SeedNames(
    {
      logger: silentLogger,
      monotonic: () => now,
      resolveTxt: async () => {
        asked += 1;
        return Array.from({ length: 100 }, () => ['dnsaddr=/dnsaddr/loop.example']);
      },
    },
    ['loop.example'],
    () => assert.fail('there is no address'),
  );
  assert.ok(seeds.isBusy());
  seeds.tick();
  while (seeds.isBusy()) await new Promise(setImmediate);
  // Sixteen of each answer are followed.
  assert.equal(asked, 1 + 16 + 16 * 16);
  now = 29_999;
  seeds.tick();
  assert.ok(!seeds.isBusy());
  now = 30_000;
  seeds.tick();
  assert.ok(seeds.isBusy());
  seeds.stop();
  assert.deepEqual(
    ['/dnsaddr/a.example', '/dnsaddr/a.example/p2p/x', '/ip4/1.2.3.4/tcp/1', '/dnsaddr/a b'].map(seedNameOf),
    ['a.example', null, null, null],
  );
});

test('relays and public routers stay on the list of peers, however many others come', async (t) => {
  const path = join(await temporaryHome(t), 'peers.json');
  const cache = new PeerCache(path, 'test', silentLogger);
  const cached = (at: number, role: string, address: string): CachedPeer => ({
    peer: `peer-${at}` as PeerIdString,
    seenAt: at,
    addrs: [],
    card: {
      card: { role, addrs: [address] },
      body: new Uint8Array(1),
      sig: new Uint8Array(1),
    } as unknown as VerifiedCard,
  });
  await cache.save([cached(1, 'relay', '/ip4/8.8.8.8/tcp/1'), cached(2, 'router', '/ip4/8.8.4.4/tcp/1')], 1_000);
  await cache.save([cached(3, 'router', '/ip4/192.168.1.7/tcp/1')], 1_000);
  await cache.save(
    Array.from({ length: 300 }, (_, at) => cached(10 + at, 'provider', '/ip4/8.8.8.8/tcp/1')),
    1_000,
  );
  const kept = JSON.parse(await readFile(path, 'utf8')) as { readonly peers: readonly { peer: string }[] };
  const names = kept.peers.map(({ peer }) => peer);
  assert.equal(names.length, 256);
  assert.deepEqual([names.at(-1), names.at(-2), names.includes('peer-3')], ['peer-1', 'peer-2', false]);
});
