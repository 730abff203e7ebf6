import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../src/lib/bytes.ts';
import { startDiscovery, startOfferer, testModel } from '../support/offers.ts';
import { addressOf, startPeer } from '../support/peers.ts';

test('six nodes that know one bootstrap find each other by model name, by name and quantisation, by file, by role', async (t) => {
  const first = await startOfferer(t, [testModel('alpha')]);
  const bootstrap = [addressOf(first.peer)];
  const others = await Promise.all([
    startOfferer(t, [testModel('beta', 'q8_0')], { bootstrap }),
    startOfferer(t, [testModel('beta', 'q4_1')], { bootstrap }),
    startOfferer(t, [testModel('gamma')], { bootstrap }),
    startOfferer(t, [], { bootstrap, role: 'router' }),
  ]);
  const client = await startPeer(t, { role: 'client', kademlia: true });
  const began = performance.now();
  const discovery = await startDiscovery(t, client, { bootstrap });
  const ids = (found: readonly { peer: string }[]): string[] => found.map((peer) => peer.peer).sort();
  const both = await discovery.find({ model: 'beta' }, { enough: (found) => found.length === 2, patient: true, timeoutMs: 30_000 });
  t.diagnostic(`${Math.round(performance.now() - began)} ms`);
  assert.deepEqual(ids(both), ids([others[0].peer, others[1].peer].map(({ id }) => ({ peer: id }))));
  const [exact] = await discovery.find({ model: 'beta/q4_1' }, { patient: true, timeoutMs: 30_000 });
  assert.equal(exact?.peer, others[1].peer.id);
  const [byFile] = await discovery.find({ model: toHex(testModel('gamma').id) }, { patient: true, timeoutMs: 30_000 });
  assert.equal(byFile?.peer, others[2].peer.id);
  const [router] = await discovery.find({ role: 'router' }, { patient: true, timeoutMs: 30_000 });
  assert.equal(router?.peer, others[3].peer.id);
  const everyone = await discovery.find({}, { enough: (found) => found.length === 5, patient: true, timeoutMs: 30_000 });
  assert.equal(everyone.length, 5);
  await assert.rejects(discovery.find({ model: 'delta' }), { code: 'E_NO_PROVIDER' });
});
