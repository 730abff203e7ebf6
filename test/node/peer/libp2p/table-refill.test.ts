import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Ping } from '@libp2p/ping';
import type { Peer, PeerExtension, PeerInit } from '../../../../src/node/peer/peer.ts';
import { startDiscovery, startOfferer, testModel } from '../../../support/offers.ts';
import { addressOf, startPeer } from '../../../support/peers.ts';

/** A node whose peers are too busy for a ping, without which they do not get into its routing table, while `isBusy`. */
function startAmongBusy(t: TestContext, isBusy: () => boolean, init: Partial<PeerInit> = {}): Promise<Peer> {
  const extension: PeerExtension = {
    async attach({ services }) {
      const service = (services as unknown as { ping: Ping }).ping;
      const ping = service.ping.bind(service);
      service.ping = async (...args) => {
        if (isBusy()) throw new Error('no answer in time');
        return ping(...args);
      };
    },
    detach: () => undefined,
  };
  return startPeer(t, { ...init, kademlia: true, extensions: [extension] });
}

test('a peer that was too busy when it connected gets into the routing table without a new connection', async (t) => {
  const seed = await startPeer(t, { role: 'relay', kademlia: true });
  let pings = 0;
  // libp2p itself tries when it identifies the peer, and when that tells its protocols and addresses again.
  const peer = await startAmongBusy(t, () => ++pings <= 3);
  let connections = 0;
  peer.events.on('connect', () => {
    connections += 1;
  });
  await peer.connect(addressOf(seed));
  for (const deadline = performance.now() + 30_000; peer.routing.size() === 0; ) {
    assert.ok(performance.now() < deadline, 'the table stays empty');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.ok(pings > 3);
  assert.equal(connections, 1);
});

test('a client whose seed is too busy for its routing table finds a provider all the same', async (t) => {
  const seed = await startPeer(t, { role: 'relay', kademlia: true });
  const bootstrap = [addressOf(seed)];
  const { peer: provider } = await startOfferer(t, [testModel('alpha')], { bootstrap });
  const client = await startAmongBusy(t, () => true, { role: 'client' });
  const discovery = await startDiscovery(t, client, { bootstrap });
  const found = await discovery.find({ model: 'alpha' }, { timeoutMs: 30_000 });
  assert.deepEqual(
    found.map(({ peer }) => peer),
    [provider.id],
  );
  assert.equal(client.routing.size(), 0);
});
