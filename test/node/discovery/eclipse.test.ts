import assert from 'node:assert/strict';
import { test } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import type { Peer } from '../../../src/node/peer/peer.ts';
import { nameKey } from '../../../src/protocol/discovery-keys.ts';
import { startRelay } from '../../support/circuits.ts';
import { startDiscovery, startOfferer, testModel } from '../../support/offers.ts';
import { addressOf, startPeer } from '../../support/peers.ts';
import { startSwallowers } from '../../support/swallowers.ts';

async function eventually(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (const deadline = performance.now() + 60_000; !(await holds()); ) {
    assert.ok(performance.now() < deadline, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('fifty ids of one address that all claim a model do not hide the provider that has it', async (t) => {
  const server = await startPeer(t, { role: 'router', kademlia: true });
  const bootstrap = [addressOf(server)];
  // One address for all, at which nobody answers. As nodes behind a relay they do not connect to each other.
  const announce = [`/ip4/127.0.0.1/tcp/1/p2p/${server.id}/p2p-circuit`];
  const fakes: Peer[] = [];
  for (let at = 0; at < 50; at++) {
    const fake = await startPeer(t, { kademlia: true, announce });
    await fake.connect(addressOf(server));
    fakes.push(fake);
  }
  await eventually('every fake knows a node', () => fakes.every(({ routing }) => routing.size() > 0));
  for (const { routing } of fakes) await routing.announce(nameKey('alpha'));
  const { peer } = await startOfferer(t, [testModel('alpha')], { bootstrap });
  const client = await startPeer(t, { role: 'client', kademlia: true });
  const discovery = await startDiscovery(t, client, { bootstrap });
  const found = await discovery.find({ model: 'alpha' }, { patient: true, timeoutMs: 60_000 });
  assert.deepEqual(
    found.map((each) => each.peer),
    [peer.id],
  );
});

test('fifty ids of one address that are the closest to a key, and keep nothing, do not hide the provider', async (t) => {
  const { peer: seed } = await startRelay(t, {}, { kademlia: true });
  const bootstrap = [addressOf(seed)];
  const swallowers = await startSwallowers(t, nameKey('alpha'), 50);
  await eventually('the seed knows them', async () => {
    const known = new Set<string>(seed.connected());
    // A busy seed may drop some.
    for (const node of swallowers)
      if (!known.has(node.peerId.toString())) await node.dial(multiaddr(addressOf(seed))).catch(() => undefined);
    return seed.routing.size() >= 40;
  });
  // It answers no query of the table itself.
  const init = { bootstrap, relays: bootstrap, reach: 'relay' } as const;
  const { peer } = await startOfferer(t, [testModel('alpha')], init);
  const client = await startPeer(t, { role: 'client', kademlia: true });
  // They fill the client's own table before it meets another node.
  for (const node of swallowers) await client.connect(String(node.getMultiaddrs()[0]));
  await eventually('the client knows them', () => client.routing.size() >= 20);
  const discovery = await startDiscovery(t, client, { bootstrap });
  const found = await discovery.find({ model: 'alpha' }, { patient: true, timeoutMs: 60_000 });
  assert.deepEqual(
    found.map((each) => each.peer),
    [peer.id],
  );
});
