import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Ping } from '@libp2p/ping';
import type { PeerExtension, PeerInit } from '../../../../src/node/peer/peer.ts';
import { startPeer, testIdentity } from '../../../support/peers.ts';

interface Table {
  add(peer: PeerId): Promise<void>;
}

/** Peers of the table after so many were mentioned that all answer. */
async function tableAfter(
  t: Parameters<typeof startPeer>[0],
  mentioned: readonly PeerId[],
  init: Partial<PeerInit>,
): Promise<number> {
  const tables: Table[] = [];
  const extension: PeerExtension = {
    async attach({ services }) {
      (services as unknown as { ping: Ping }).ping.ping = async () => 1;
      tables.push(services.dht?.routingTable as unknown as Table);
    },
    detach: () => undefined,
  };
  const peer = await startPeer(t, { ...init, kademlia: true, extensions: [extension] });
  for (const id of mentioned) await tables[0]?.add(id);
  return peer.routing.size();
}

test('a client keeps, and thus dials, few of the nodes that answers mention; a node that serves keeps many', async (t) => {
  const ids = await Promise.all(Array.from({ length: 200 }, async () => (await testIdentity()).peer));
  const mentioned = ids.map((id) => peerIdFromString(id));
  assert.equal(await tableAfter(t, mentioned, { role: 'client' }), 40);
  assert.ok((await tableAfter(t, mentioned, { role: 'provider' })) > 150);
});
