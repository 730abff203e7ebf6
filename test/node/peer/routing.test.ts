import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { nameKey } from '../../../src/protocol/discovery-keys.ts';
import { addressOf, startPeer } from '../../support/peers.ts';

test('an announcement that no peer takes has failed', async (t) => {
  const holder = await startPeer(t, { role: 'router', kademlia: true });
  const peer = await startPeer(t, { kademlia: true });
  await peer.connect(addressOf(holder));
  for (const deadline = performance.now() + 30_000; peer.routing.size() === 0; ) {
    assert.ok(performance.now() < deadline, 'the table stays empty');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await peer.routing.announce(nameKey('alpha'));
  const lost = once(peer.events, 'disconnect', { signal: AbortSignal.timeout(30_000) });
  await holder.stop();
  await lost;
  await assert.rejects(peer.routing.announce(nameKey('alpha')), /no peer keeps the record/);
});
