import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { Peer, PeerInit } from '../../../src/node/peer/peer.ts';
import type { RelayLimits } from '../../../src/node/relay/constants.ts';
import { createRelayServer, type RelayServer, type RelayServerInit } from '../../../src/node/relay/relay-server.ts';
import { jobProtocol } from '../../../src/protocol/constants.ts';
import { addressOf, startPeer } from '../../support/peers.ts';

async function startRelay(
  t: TestContext,
  init: RelayServerInit = {},
): Promise<{ readonly peer: Peer; readonly server: RelayServer }> {
  const server = createRelayServer({ clock: systemClock, logger: silentLogger }, init);
  const peer = await startPeer(t, { role: 'relay', reach: 'direct', extensions: [server] });
  return { peer, server };
}

/** A provider that is reached through relays alone, once it has its reservations. */
async function startHidden(t: TestContext, relays: readonly Peer[], init: Partial<PeerInit> = {}): Promise<Peer> {
  const peer = await startPeer(t, { reach: 'relay', relays: relays.map(addressOf), ...init });
  await peer.handle(jobProtocol, async (stream) => {
    for (let frame = await stream.read(['tokens']); frame !== null; frame = await stream.read(['tokens']))
      await stream.write(frame);
  });
  const deadline = AbortSignal.timeout(30_000);
  while (peer.reach().relays.filter(({ addrs }) => addrs.length > 0).length < relays.length)
    await once(peer.events, 'reach', { signal: deadline });
  return peer;
}

const echo = { t: 'tokens', i: 0, tokens: [1, 2, 3], text: 'one two three' } as const;

test('a client talks to a provider through a relay, which it names in its addresses', async (t) => {
  const { peer: relay, server } = await startRelay(t);
  const provider = await startHidden(t, [relay]);
  assert.deepEqual(provider.addrs(), [`${addressOf(relay)}/p2p-circuit/p2p/${provider.id}`]);
  assert.equal(provider.reach().way, 'relayed');
  assert.deepEqual(server.stats(), { reservations: 1, circuits: 0, bytes: 0, refused: {} });
  const client = await startPeer(t, { role: 'client' });
  const stream = await client.open(addressOf(provider), jobProtocol);
  assert.equal(stream.remote.peer, provider.id);
  await stream.write(echo);
  assert.deepEqual(await stream.read(['tokens']), echo);
  assert.equal(server.stats().circuits, 1);
  await stream.close();
  assert.equal(await stream.read(['tokens']), null);
  const gone = once(provider.events, 'disconnect');
  await client.disconnect(provider.id);
  assert.deepEqual(await gone, [client.id]);
  while (server.stats().circuits > 0) await new Promise(setImmediate);
});
