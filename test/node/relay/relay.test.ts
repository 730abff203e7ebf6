import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { identityFromSeed } from '../../../src/node/home/identity.ts';
import { circuitStatus } from '../../../src/node/peer/circuit/messages.ts';
import { createPeer } from '../../../src/node/peer/libp2p-peer.ts';
import type { RelayEvent } from '../../../src/node/relay/relay-server.ts';
import { jobProtocol } from '../../../src/protocol/constants.ts';
import { connectTo, hasReservations, requestHop, startHidden, startRelay } from '../../support/circuits.ts';
import { temporaryHome } from '../../support/home.ts';
import { startStranger } from '../../support/hostile.ts';
import { addressOf, startPeer, testIdentity, unprobed } from '../../support/peers.ts';
import { ownLoopback } from '../../support/ports.ts';
import { startRelayProcess } from '../../support/relay-process.ts';

const echo = { t: 'tokens', i: 0, tokens: [1, 2, 3], text: 'one two three' } as const;

test('a client talks to a provider through a relay, which the provider’s addresses name', async (t) => {
  const { peer: relay, server } = await startRelay(t);
  const provider = await startHidden(t, [addressOf(relay)]);
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

test('a large answer arrives whole, and a slow reader slows the writer and not the relay', async (t) => {
  const home = await temporaryHome(t);
  const relay = await startRelayProcess(t, { keyPath: join(home, 'relay'), limits: { bytesPerSecond: 0 } });
  const provider = await startHidden(t, [relay.address]);
  const frame = { ...echo, text: 'x'.repeat(60_000) };
  const count = 1_000;
  let written = 0;
  await provider.handle('/test/flow/1.0.0', async (stream) => {
    for (; written < count; written++) await stream.write({ ...frame, i: written });
  });
  const client = await startPeer(t, { role: 'client' });
  const before = (await relay.look()).memoryBytes;
  const stream = await client.open(addressOf(provider), '/test/flow/1.0.0');
  // The provider stops by itself once all the windows on the way are full.
  for (let seen = -1; seen !== written; ) {
    seen = written;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.ok(written * 60_000 < 8 << 20, `${written} frames were written to a reader that does not read`);
  const { stats, memoryBytes } = await relay.look();
  const queued = written * 60_000 - stats.bytes;
  assert.ok(queued < 4 << 20, `${queued} bytes wait in the provider`);
  const grown = memoryBytes - before;
  // The windows of both its connections. Without back-pressure it would hold all of the 60 MB.
  assert.ok(grown < 8 << 20, `the relay holds ${grown} bytes more`);
  for (let i = 0; i < count; i++) assert.equal((await stream.read(['tokens']))?.i, i);
});

test('the relay refuses with a status that says why', async (t) => {
  const events: RelayEvent[] = [];
  const { peer: relay, server } = await startRelay(t, {
    limits: { maxReservationsPerIp: 2, maxCircuitsPerSource: 1 },
  });
  server.events.on('event', (event) => events.push(event));
  const provider = await startHidden(t, [addressOf(relay)]);
  const client = await startPeer(t, { role: 'client' });
  const absent = (await testIdentity()).peer;
  await assert.rejects(client.open(`${addressOf(relay)}/p2p-circuit/p2p/${absent}`, jobProtocol), {
    code: 'E_NETWORK',
    message: /not connected to the relay now/,
  });
  const stranger = await startStranger(t);
  const ask = async (message: Parameters<typeof requestHop>[2]): Promise<number | null> => {
    const { answer } = await requestHop(stranger, addressOf(relay), message);
    return answer.type === 'status' ? answer.status : null;
  };
  assert.equal(await ask(connectTo(absent)), circuitStatus.noReservation);
  assert.equal(await ask({ type: 'reserve' }), circuitStatus.ok);
  // Renewing it takes no further place.
  assert.equal(await ask({ type: 'reserve' }), circuitStatus.ok);
  const third = await startStranger(t);
  const { answer } = await requestHop(third, addressOf(relay), { type: 'reserve' });
  assert.equal(answer.type === 'status' && answer.status, circuitStatus.reservationRefused);
  assert.equal(await ask(connectTo(stranger.peerId.toString())), circuitStatus.noReservation);
  assert.equal(await ask({ type: 'status', status: 100, reservation: null, limit: null }), 401);
  assert.equal(await ask(new Uint8Array([0xff, 0xff])), circuitStatus.malformedMessage);
  assert.equal(await ask({ type: 'connect', peer: new Uint8Array([1, 2, 3]) }), circuitStatus.malformedMessage);
  assert.equal(await ask(connectTo(provider.id)), circuitStatus.ok);
  assert.equal(await ask(connectTo(provider.id)), circuitStatus.resourceLimitExceeded);
  assert.deepEqual(server.stats().refused, { 'no-reservation': 3, ip: 1, source: 1 });
  assert.deepEqual(
    events.map((event) => (event.event === 'refused' ? event.why : event.event)),
    ['reserved', 'no-reservation', 'no-reservation', 'reserved', 'ip', 'no-reservation', 'source'],
  );
});

test('with --allow, the relay serves those peers alone, to every client', async (t) => {
  const key = await testIdentity();
  const { peer: relay } = await startRelay(t, { allowed: [key.peer] });
  const provider = await startHidden(t, [addressOf(relay)], { key });
  const stranger = await startStranger(t);
  const { answer } = await requestHop(stranger, addressOf(relay), { type: 'reserve' });
  assert.equal(answer.type === 'status' && answer.status, circuitStatus.permissionDenied);
  const client = await startPeer(t, { role: 'client' });
  const came = once(provider.events, 'connect');
  await client.connect(addressOf(provider));
  assert.deepEqual(await came, [client.id]);
});

test('no provider gets more through the relay than its rate', async (t) => {
  const { peer: relay } = await startRelay(t, { limits: { bytesPerSecond: 400_000 } });
  const provider = await startHidden(t, [addressOf(relay)]);
  const client = await startPeer(t, { role: 'client' });
  const stream = await client.open(addressOf(provider), jobProtocol);
  const frame = { ...echo, text: 'x'.repeat(60_000) };
  const began = performance.now();
  // There and back, 4 MB. A burst of 0.8 MB passes at once, and what is read together, at most 1 MiB each way.
  const sent = (async () => {
    for (let i = 0; i < 34; i++) await stream.write({ ...frame, i });
  })();
  for (let i = 0; i < 34; i++) assert.equal((await stream.read(['tokens']))?.i, i);
  await sent;
  const tookMs = performance.now() - began;
  assert.ok(tookMs > 2_500, `it took ${Math.round(tookMs)} ms`);
});

test('a circuit on which nothing moves ends, and its place is free again', async (t) => {
  let now = 0;
  const { peer: relay, server } = await startRelay(t, { limits: { idleMs: 300 }, monotonic: () => now });
  // Nodes that do not probe each other.
  const quiet = { limits: unprobed };
  const provider = await startHidden(t, [addressOf(relay)], quiet);
  const client = await startPeer(t, { role: 'client', ...quiet });
  await client.connect(addressOf(provider));
  assert.equal(server.stats().circuits, 1);
  const gone = once(client.events, 'disconnect', { signal: AbortSignal.timeout(30_000) });
  // What the ends had yet to say about the connection may have moved since.
  const passing = setInterval(() => (now += 301), 100);
  t.after(() => clearInterval(passing));
  await gone;
  clearInterval(passing);
  assert.equal(server.stats().circuits, 0);
  await client.connect(addressOf(provider));
});

test('a provider keeps reservations at two relays, and returns to one that was restarted', async (t) => {
  const key = await identityFromSeed(new Uint8Array(32).fill(7));
  const { peer: first } = await startRelay(t, {}, { key, listen: [`/ip4/${ownLoopback(73)}/tcp/0`] });
  const second = await startRelay(t);
  const address = addressOf(first);
  const provider = await startHidden(t, [address, addressOf(second.peer)]);
  assert.equal(provider.addrs().length, 2);
  await first.stop();
  await hasReservations(provider, 1);
  assert.deepEqual(provider.addrs(), [`${addressOf(second.peer)}/p2p-circuit/p2p/${provider.id}`]);
  const listen = [address.slice(0, address.indexOf('/p2p/'))];
  await startRelay(t, {}, { key, listen });
  await hasReservations(provider, 2);
  const client = await startPeer(t, { role: 'client' });
  const stream = await client.open(`${address}/p2p-circuit/p2p/${provider.id}`, jobProtocol);
  await stream.write(echo);
  assert.deepEqual(await stream.read(['tokens']), echo);
});

test('a relay that is killed ends its circuits, and the streams in them are truncated', async (t) => {
  const relay = await startRelayProcess(t, { keyPath: join(await temporaryHome(t), 'relay') });
  const provider = await startHidden(t, [relay.address]);
  const client = await startPeer(t, { role: 'client' });
  const stream = await client.open(addressOf(provider), jobProtocol);
  await stream.write(echo);
  await stream.read(['tokens']);
  relay.child.kill('SIGKILL');
  await assert.rejects(stream.read(['tokens']), { code: 'E_TRUNCATED' });
});

test('a node that no relay is named to uses none', async (t) => {
  const { peer: relay } = await startRelay(t);
  const provider = createPeer(
    {},
    {
      role: 'provider',
      key: await testIdentity(),
      network: 'test',
      listen: ['/ip4/127.0.0.1/tcp/0'],
      kademlia: false,
      reach: 'direct',
      relays: [addressOf(relay)],
    },
  );
  await provider.start();
  t.after(() => provider.stop());
  await provider.connect(addressOf(relay));
  assert.deepEqual([provider.reach().way, provider.reach().relays], ['local', []]);
  assert.deepEqual(provider.addrs(), provider.listening());
});
