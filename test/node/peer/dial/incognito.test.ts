import assert from 'node:assert/strict';
import { it, test } from 'node:test';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import type { PeerIdString } from '../../../../src/lib/types.ts';
import { hiddenAddresses } from '../../../../src/node/peer/dial/incognito.ts';
import { roleKey } from '../../../../src/protocol/discovery-keys.ts';
import { startRelay } from '../../../support/circuits.ts';
import { startDiscovery, startOfferer, testModel } from '../../../support/offers.ts';
import { addressOf, startPeer, testIdentity } from '../../../support/peers.ts';

it('a client that hides dials a provider through relays of others alone, named ones first', async () => {
  const [provider, first, second] = [await testIdentity(), await testIdentity(), await testIdentity()].map(
    ({ peer }) => peer,
  ) as [never, never, never];
  const via = (ip: string, relay: string): string => `/ip4/${ip}/tcp/4001/p2p/${relay}/p2p-circuit`;
  const choose = (addrs: readonly string[], named: readonly never[] = []): readonly string[] =>
    hiddenAddresses(
      peerIdFromString(provider),
      addrs.map((each) => multiaddr(each)),
      new Set(named),
    ).map(String);
  const direct = '/ip4/8.8.8.8/tcp/4001';
  const ofFirst = via('8.0.0.1', first);
  const ofSecond = via('8.0.0.2', second);
  assert.deepEqual(choose([direct, ofFirst, ofSecond]), [ofFirst, ofSecond]);
  assert.deepEqual(choose([direct, ofFirst, ofSecond], [second]), [ofSecond]);
  // The provider's own relay, by its address and by its key.
  assert.deepEqual(choose([direct, via('8.8.8.8', first), ofSecond]), [ofSecond]);
  for (const addrs of [[], [direct], [direct, via('8.8.8.8', first)], [via('8.0.0.1', provider)]])
    assert.throws(() => choose(addrs), { code: 'E_NETWORK', message: /not reached through a relay of somebody else/ });
  // A relay or router of the configuration itself.
  assert.deepEqual(choose([direct], [provider]), [direct]);
});

test('an incognito client finds a provider, and dials no node of the hash table that the person did not name', async (t) => {
  const { peer: relay } = await startRelay(t, {}, { kademlia: true });
  const bootstrap = [addressOf(relay)];
  const stranger = await startPeer(t, { kademlia: true });
  const strangerMet: PeerIdString[] = [];
  stranger.events.on('connect', (peer) => strangerMet.push(peer));
  await stranger.connect(addressOf(relay));
  const init = { bootstrap, relays: bootstrap, reach: 'relay' } as const;
  const { peer: provider } = await startOfferer(t, [testModel('alpha')], init);
  const client = await startPeer(t, { role: 'client', kademlia: true, incognito: true, named: [relay.id] });
  const discovery = await startDiscovery(t, client, { bootstrap });
  const found = await discovery.find({ model: 'alpha' }, { patient: true, timeoutMs: 60_000 });
  assert.deepEqual(
    found.map(({ peer }) => peer),
    [provider.id],
  );
  // The relay names the stranger in each answer.
  const nearest: PeerIdString[] = [];
  for (const deadline = performance.now() + 30_000; nearest.length === 0; ) {
    assert.ok(performance.now() < deadline, 'nobody is named');
    // The provider announces one key after another.
    await new Promise((resolve) => setTimeout(resolve, 20));
    for await (const { peer } of client.routing.providers(roleKey('provider'))) nearest.push(peer);
  }
  assert.deepEqual(nearest, [provider.id]);
  assert.deepEqual([...client.connected()].sort(), [relay.id, provider.id].sort());
  assert.ok(!strangerMet.includes(client.id));
});
