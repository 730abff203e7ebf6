import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { type Identity, identityFromSeed } from '../../src/node/home/identity.ts';
import { createPeer } from '../../src/node/peer/libp2p-peer.ts';
import type { Peer, PeerInit } from '../../src/node/peer/peer.ts';

/**
 * Sends no probe after a connection's first. A process that runs many nodes may answer one too late to be taken for
 * alive, which no test of anything else should meet.
 */
export const unprobed: PeerInit['limits'] = { probeEveryMs: 600_000 };

/** A new identity for each call. */
export function testIdentity(): Promise<Identity> {
  return identityFromSeed(randomBytes(32));
}

/**
 * A real node on loopback, stopped with the test. By default a listening provider without a hash table.
 */
export async function startPeer(context: TestContext, init: Partial<PeerInit> = {}): Promise<Peer> {
  const role = init.role ?? 'provider';
  const peer = createPeer(
    {},
    {
      key: await testIdentity(),
      network: 'test',
      listen: role === 'client' ? [] : ['/ip4/127.0.0.1/tcp/0'],
      kademlia: false,
      ...init,
      role,
    },
  );
  await peer.start();
  context.after(() => peer.stop());
  return peer;
}

/** The address of a listening node. */
export function addressOf(peer: Peer): string {
  const [address] = peer.addrs();
  if (address === undefined) throw new Error('this node does not listen');
  return address;
}
