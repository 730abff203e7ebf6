import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { toHex } from '../../../src/lib/bytes.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { createCardIssuer } from '../../../src/node/cards/card-issuer.ts';
import { createDiscovery, type Discovery } from '../../../src/node/discovery/discovery.ts';
import { temporaryHome } from '../../support/home.ts';
import { startDiscovery, startOfferer, testContent, testModel } from '../../support/offers.ts';
import { startPeerProcess } from '../../support/peer-process.ts';
import { addressOf, startPeer } from '../../support/peers.ts';
import { ownLoopback } from '../../support/ports.ts';

const patient = { patient: true, timeoutMs: 60_000 } as const;
const ids = (found: readonly { peer: string }[]): string[] => found.map((peer) => peer.peer).sort();

test('six nodes with one bootstrap find each other by name, name and quantisation, file, and role', async (t) => {
  const first = await startOfferer(t, [testModel('alpha')]);
  const bootstrap = [addressOf(first.peer)];
  const [q8, q4, gamma, routing] = await Promise.all([
    startOfferer(t, [testModel('beta', 'q8_0')], { bootstrap }),
    startOfferer(t, [testModel('beta', 'q4_1')], { bootstrap }),
    startOfferer(t, [testModel('gamma')], { bootstrap }),
    startOfferer(t, [], { bootstrap, role: 'router' }),
  ]);
  const client = await startPeer(t, { role: 'client', kademlia: true });
  const discovery = await startDiscovery(t, client, { bootstrap });
  const both = await discovery.find({ model: 'beta' }, { ...patient, enough: (found) => found.length === 2 });
  assert.deepEqual(ids(both), [q8.peer.id, q4.peer.id].sort());
  const [exact] = await discovery.find({ model: 'beta/q4_1' }, patient);
  assert.equal(exact?.peer, q4.peer.id);
  const [byFile] = await discovery.find({ model: toHex(testModel('gamma').id) }, patient);
  assert.equal(byFile?.peer, gamma.peer.id);
  const [router] = await discovery.find({ role: 'router' }, patient);
  assert.equal(router?.peer, routing.peer.id);
  const everyone = await discovery.find({}, { ...patient, enough: (found) => found.length === 5 });
  assert.deepEqual(ids(everyone), ids(discovery.live()));
  await assert.rejects(discovery.find({ model: 'delta' }), { code: 'E_NO_PROVIDER' });
});

test('a search without a connection fails as such, with the reason, and not for lack of providers', async (t) => {
  const gone = await startPeer(t);
  const address = addressOf(gone);
  await gone.stop();
  const lonely = await startDiscovery(t, await startPeer(t, { role: 'client', kademlia: true }));
  await assert.rejects(lonely.find({ model: 'alpha' }), {
    code: 'E_NETWORK',
    message: /not connected.*no node was found/,
  });
  const failing = await startDiscovery(t, await startPeer(t, { role: 'client', kademlia: true }), {
    bootstrap: [address],
  });
  // The reason is known once the address has been dialled.
  await assert.rejects(failing.get(address), { code: 'E_NETWORK' });
  await assert.rejects(failing.find({ model: 'alpha' }, { timeoutMs: 300 }), {
    code: 'E_NETWORK',
    message: /not connected.*refused/,
  });
  const reason = new Error('enough');
  await assert.rejects(failing.find({ model: 'alpha' }, { signal: AbortSignal.abort(reason) }), reason);
  assert.throws(
    () =>
      createDiscovery(
        { peer: gone, clock: { now: () => 0 }, logger: silentLogger },
        { bootstrap: ['/ip4/127.0.0.1/tcp/1'] },
      ),
    { code: 'E_CONFIG' },
  );
});

for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
  test(`a provider that gets ${signal} leaves the list and is no longer found`, async (t) => {
    const keyPath = join(await temporaryHome(t), 'key');
    const witness = await startOfferer(t, [testModel('beta')]);
    const provider = await startPeerProcess(t, {
      keyPath,
      bootstrap: [addressOf(witness.peer)],
      kademlia: true,
      models: ['alpha'],
    });
    const discovery = await startDiscovery(t, await startPeer(t, { role: 'client', kademlia: true }), {
      bootstrap: [addressOf(witness.peer)],
    });
    const [found] = await discovery.find({ model: 'alpha' }, patient);
    assert.equal(found?.peer, provider.id);
    const down = once(discovery.events, 'peer:down');
    provider.child.kill(signal);
    assert.deepEqual(await down, [provider.id]);
    assert.deepEqual(ids(discovery.live()), [witness.peer.id]);
    // Its records are still in the hash table.
    await assert.rejects(discovery.find({ model: 'alpha' }), { code: 'E_NO_PROVIDER' });
  });
}

test('a provider that returns is found again without a search', async (t) => {
  const keyPath = join(await temporaryHome(t), 'key');
  const provider = await startPeerProcess(t, { keyPath, listen: `/ip4/${ownLoopback(71)}/tcp/0`, models: ['alpha'] });
  const client = await startPeer(t, { role: 'client' });
  const discovery = await startDiscovery(t, client, {
    bootstrap: [provider.address],
    timings: { tiersMs: [50], jitter: 0 },
  });
  await discovery.find({ model: 'alpha' }, patient);
  const down = once(discovery.events, 'peer:down');
  provider.child.kill('SIGKILL');
  await down;
  const up = once(discovery.events, 'peer:up');
  const listen = provider.address.slice(0, provider.address.indexOf('/p2p/'));
  await startPeerProcess(t, { keyPath, listen, models: ['alpha'] });
  const [{ peer }] = (await up) as [{ peer: string }];
  assert.equal(peer, provider.id);
  // Met before it offered its card, it left the list again, and returns.
  if (discovery.live().length === 0) await once(discovery.events, 'peer:up', { signal: AbortSignal.timeout(30_000) });
  assert.deepEqual(ids(discovery.live()), [provider.id]);
});

test('a bootstrap accepts a herd that dials it at once', async (t) => {
  // A client's limits: five connections per second from one address.
  const bootstrap = await startPeer(t, { role: 'client', listen: ['/ip4/127.0.0.1/tcp/0'] });
  const herd = await Promise.all(Array.from({ length: 14 }, () => startPeer(t, { role: 'provider', listen: [] })));
  const full = new Promise<void>((resolve) => {
    bootstrap.events.on('connect', () => {
      if (herd.every((peer) => bootstrap.connected().includes(peer.id))) resolve();
    });
  });
  await Promise.all(
    herd.map((peer) => startDiscovery(t, peer, { bootstrap: [addressOf(bootstrap)], timings: { tiersMs: [300] } })),
  );
  await full;
});

test('a peer leaves the list when its card expires', async (t) => {
  const { peer } = await startOfferer(t, [testModel('alpha')], { kademlia: false });
  let ahead = 0;
  const client = await startPeer(t, { role: 'client' });
  const discovery = createDiscovery(
    { peer: client, clock: { now: () => Date.now() + ahead }, logger: silentLogger },
    { bootstrap: [addressOf(peer)] },
  );
  await discovery.start();
  t.after(() => discovery.stop());
  await discovery.find({ model: 'alpha' }, patient);
  const down = once(discovery.events, 'peer:down');
  ahead = 600_000;
  assert.deepEqual(discovery.live(), []);
  assert.deepEqual(await down, [peer.id]);
});

test('a refresh shows a changed card; a rolled back card is refused, and its peer leaves the list', async (t) => {
  const { peer, issuer } = await startOfferer(t, [testModel('alpha')], { kademlia: false });
  const discovery = await startDiscovery(t, await startPeer(t, { role: 'client' }), { bootstrap: [addressOf(peer)] });
  const before = await discovery.get(peer.id);
  await issuer.renew();
  const changed = once(discovery.events, 'peer:card');
  const after = await discovery.refresh(peer.id);
  assert.ok(after.card.seq > before.card.seq);
  await changed;
  const past = createCardIssuer(
    { peer, clock: { now: () => Date.now() - 300_000 }, logger: silentLogger },
    { path: null, role: 'provider', content: () => testContent([testModel('alpha')]) },
  );
  await past.start();
  t.after(() => past.stop());
  await assert.rejects(discovery.refresh(peer.id), { code: 'E_BAD_PEER', message: /newer/ });
  assert.deepEqual(discovery.live(), []);
});

test('a peer of another network is never on the list', async (t) => {
  const stranger = await startOfferer(t, [testModel('alpha')], { network: 'elsewhere' });
  const discovery = await startDiscovery(t, await startPeer(t, { role: 'client', kademlia: true }), {
    bootstrap: [addressOf(stranger.peer)],
  });
  await assert.rejects(discovery.get(stranger.peer.id), { code: 'E_BAD_PEER', message: /another network/ });
  await assert.rejects(discovery.find({ model: 'alpha' }, { timeoutMs: 500 }), { code: 'E_NO_PROVIDER' });
});

test('one peer is found by address or id; a peer without a card, or this node itself, is an error', async (t) => {
  const { peer, discovery: own } = await startOfferer(t, [testModel('alpha')], { kademlia: false, collect: true });
  const cardless = await startPeer(t);
  const client = await startPeer(t, { role: 'client' });
  const discovery = await startDiscovery(t, client);
  assert.equal((await discovery.get(addressOf(peer))).peer, peer.id);
  assert.equal((await discovery.find({ peer: peer.id, model: 'alpha' }))[0]?.peer, peer.id);
  await assert.rejects(discovery.find({ peer: peer.id, model: 'beta' }), { code: 'E_NO_PROVIDER' });
  await assert.rejects(discovery.get(addressOf(cardless)), { code: 'E_NO_PROVIDER', message: /no card/ });
  await assert.rejects(own.get(peer.id), { code: 'E_NETWORK', message: /itself/ });
});

test('a node that has no card yet when it is found is asked again', async (t) => {
  const peer = await startPeer(t);
  const discovery = await startDiscovery(t, await startPeer(t, { role: 'client' }));
  await assert.rejects(discovery.get(addressOf(peer)), { code: 'E_NO_PROVIDER' });
  const up = once(discovery.events, 'peer:up');
  const issuer = createCardIssuer(
    { peer, clock: { now: () => Date.now() }, logger: silentLogger },
    { path: null, role: 'provider', content: () => testContent([testModel('alpha')]) },
  );
  await issuer.start();
  t.after(() => issuer.stop());
  await up;
  assert.deepEqual(ids(discovery.live()), [peer.id]);
});

test('a peer of an earlier run without addresses is reached at once by a given address', async (t) => {
  const cachePath = join(await temporaryHome(t), 'peers.json');
  const { peer } = await startOfferer(t, [testModel('alpha')], { kademlia: false });
  const first = await startDiscovery(t, await startPeer(t, { role: 'client' }), { cachePath });
  await first.get(addressOf(peer));
  await first.stop();
  const kept = JSON.parse(await readFile(cachePath, 'utf8')) as { peers: { addrs: string[] }[] };
  for (const each of kept.peers) each.addrs = [];
  await writeFile(cachePath, JSON.stringify(kept));
  // With nobody there its hash table waits for somebody to ask.
  const again = await startDiscovery(t, await startPeer(t, { role: 'client', kademlia: true }), { cachePath });
  assert.equal((await again.get(addressOf(peer))).peer, peer.id);
});

test('the next run finds the peers of this one, and remembers their newest cards', async (t) => {
  const cachePath = join(await temporaryHome(t), 'peers.json');
  const { peer, issuer } = await startOfferer(t, [testModel('alpha')], { kademlia: false });
  const run = async (): Promise<Discovery> => startDiscovery(t, await startPeer(t, { role: 'client' }), { cachePath });
  const first = await run();
  await first.get(addressOf(peer));
  await first.stop();
  const again = await run();
  const [found] = await again.find({ model: 'alpha' }, patient);
  assert.deepEqual(found?.body, issuer.current().body);
  assert.ok(found?.health.sources.includes('cache'));
  await again.stop();
  const past = createCardIssuer(
    { peer, clock: { now: () => Date.now() - 300_000 }, logger: silentLogger },
    { path: null, role: 'provider', content: () => testContent([testModel('alpha')]) },
  );
  await past.start();
  t.after(() => past.stop());
  const later = await run();
  await assert.rejects(later.refresh(peer.id), { code: 'E_BAD_PEER', message: /newer/ });
});

test('a damaged list of peers is replaced, and foreign or forged entries are left out', async (t) => {
  const cachePath = join(await temporaryHome(t), 'peers.json');
  const { peer } = await startOfferer(t, [testModel('alpha')], { kademlia: false });
  for (const damage of ['{', '[]', '{"peers":[1,{"network":"test"}]}', '\0'.repeat(100)]) {
    await writeFile(cachePath, damage);
    const discovery = await startDiscovery(t, await startPeer(t, { role: 'client' }), { cachePath });
    await discovery.get(addressOf(peer));
    await discovery.stop();
    const { peers } = JSON.parse(await readFile(cachePath, 'utf8')) as { peers: { peer: string }[] };
    assert.deepEqual(
      peers.map((entry) => entry.peer),
      [peer.id],
    );
  }
  const forged = (await readFile(cachePath, 'utf8')).replace(/"sig":"..../, '"sig":"AAAA');
  await writeFile(cachePath, forged);
  const discovery = await startDiscovery(t, await startPeer(t, { role: 'client' }), { cachePath });
  await assert.rejects(discovery.find({ model: 'alpha' }), { code: 'E_NETWORK' });
});

test('a peer that was saved under a date in the future counts as seen now', async (t) => {
  const cachePath = join(await temporaryHome(t), 'peers.json');
  const { peer } = await startOfferer(t, [testModel('alpha')], { kademlia: false });
  const save = async (): Promise<number | undefined> => {
    const discovery = await startDiscovery(t, await startPeer(t, { role: 'client' }), { cachePath });
    await discovery.get(addressOf(peer));
    await discovery.stop();
    const { peers } = JSON.parse(await readFile(cachePath, 'utf8')) as { peers: { seenAt: number }[] };
    return peers[0]?.seenAt;
  };
  await save();
  const kept = JSON.parse(await readFile(cachePath, 'utf8')) as { peers: { peer: string; seenAt: number }[] };
  const [entry] = kept.peers;
  assert.ok(entry !== undefined);
  const nextYear = Date.now() + 365 * 86_400_000;
  await writeFile(
    cachePath,
    JSON.stringify({
      peers: [
        { ...entry, seenAt: nextYear },
        { ...entry, peer: '12D3gone', seenAt: nextYear },
      ],
    }),
  );
  await save();
  const { peers } = JSON.parse(await readFile(cachePath, 'utf8')) as { peers: { seenAt: number }[] };
  assert.equal(peers.length, 2);
  assert.ok(peers.every(({ seenAt }) => seenAt <= Date.now()));
});

test('providers announce themselves again to a bootstrap that restarted', async (t) => {
  const keyPath = join(await temporaryHome(t), 'key');
  const bootstrap = await startPeerProcess(t, { keyPath, listen: `/ip4/${ownLoopback(72)}/tcp/0`, kademlia: true });
  const timings = { tiersMs: [100], jitter: 0 };
  const provider = await startOfferer(t, [testModel('alpha')], { bootstrap: [bootstrap.address], timings });
  const find = async (): Promise<string | undefined> => {
    const discovery = await startDiscovery(t, await startPeer(t, { role: 'client', kademlia: true }), {
      bootstrap: [bootstrap.address],
      timings,
    });
    const [found] = await discovery.find({ model: 'alpha' }, patient);
    await discovery.stop();
    return found?.peer;
  };
  assert.equal(await find(), provider.peer.id);
  const lost = once(provider.peer.events, 'disconnect');
  bootstrap.child.kill('SIGKILL');
  await lost;
  const listen = bootstrap.address.slice(0, bootstrap.address.indexOf('/p2p/'));
  await startPeerProcess(t, { keyPath, listen, kademlia: true });
  assert.equal(await find(), provider.peer.id);
});
