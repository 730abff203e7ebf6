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

test('a node without a peer in its table names those whose records it keeps itself', async (t) => {
  const holder = await startPeer(t, { role: 'relay', kademlia: true });
  // As a client of the hash table it is in no table.
  const peer = await startPeer(t, { role: 'client', kademlia: true, announce: ['/ip4/127.0.0.1/tcp/1'] });
  await peer.connect(addressOf(holder));
  for (const deadline = performance.now() + 30_000; peer.routing.size() === 0; ) {
    assert.ok(performance.now() < deadline, 'the table stays empty');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await peer.routing.announce(nameKey('alpha'));
  const named: string[] = [];
  for (const deadline = performance.now() + 30_000; named.length === 0; ) {
    assert.ok(performance.now() < deadline, 'nobody is named');
    // The record arrives after the announcement, which nobody acknowledges: the loop must let it in.
    await new Promise((resolve) => setTimeout(resolve, 20));
    for await (const claim of holder.routing.providers(nameKey('alpha'))) named.push(claim.peer);
  }
  assert.equal(holder.routing.size(), 0);
  assert.deepEqual(named, [peer.id]);
});
