import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Stream } from '@libp2p/interface';
import { jobProtocol } from '../../../src/protocol/constants.ts';
import { acceptCircuits, connectTo, requestHop, startHidden } from '../../support/circuits.ts';
import { temporaryHome } from '../../support/home.ts';
import { startStranger } from '../../support/hostile.ts';
import { addressOf, startPeer } from '../../support/peers.ts';
import { startRelayProcess } from '../../support/relay-process.ts';

const mib = 1 << 20;
const echo = { t: 'tokens', i: 0, tokens: [1, 2, 3], text: 'one two three' } as const;

test('a flood to a peer that reads nothing costs the relay bounded memory, and a bystander no frame', async (t) => {
  const path = join(await temporaryHome(t), 'relay');
  const relay = await startRelayProcess(t, { keyPath: path, limits: { bytesPerSecond: 0 } });
  const provider = await startHidden(t, [relay.address]);
  const client = await startPeer(t, { role: 'client' });
  const stream = await client.open(addressOf(provider), jobProtocol);
  const [sink, source] = [await startStranger(t), await startStranger(t)];
  // Paused streams: nothing of what arrives is read.
  await acceptCircuits(sink, () => undefined);
  const reserved = await requestHop(sink, relay.address, { type: 'reserve' });
  assert.equal(reserved.answer.type === 'status' && reserved.answer.status, 100);
  const before = (await relay.look()).memoryBytes;
  const chunk = new Uint8Array(mib);
  for (let circuit = 0; circuit < 8; circuit++) {
    const { answer, stream: into } = await requestHop(source, relay.address, connectTo(sink.peerId.toString()));
    assert.equal(answer.type === 'status' && answer.status, 100);
    // Without a look at what the stream can take.
    for (let sent = 0; sent < 16; sent++) into.send(chunk);
  }
  for (let i = 0; i < 100; i++) {
    await stream.write({ ...echo, i });
    assert.equal((await stream.read(['tokens']))?.i, i);
  }
  const { stats, memoryBytes } = await relay.look();
  assert.ok(stats.bytes > 8 * 256 * 1024, `${stats.bytes} bytes passed: the flood did not run`);
  const grown = memoryBytes - before;
  // A window on each side of each circuit. Without back-pressure it would hold all of the 128 MiB.
  assert.ok(grown < 20 * mib, `the relay holds ${grown} bytes more`);
});

test('a peer that sends more than its window is disconnected, and the relay lives on', async (t) => {
  const relay = await startRelayProcess(t, { keyPath: join(await temporaryHome(t), 'relay') });
  const [sink, source] = [await startStranger(t), await startStranger(t)];
  await acceptCircuits(sink, () => undefined);
  await requestHop(sink, relay.address, { type: 'reserve' });
  const { stream } = await requestHop(source, relay.address, connectTo(sink.peerId.toString()));
  const closed = once(source as unknown as EventTarget, 'connection:close', { signal: AbortSignal.timeout(30_000) });
  // yamux's own count of what the other side takes.
  (stream as Stream & { sendWindowCapacity: number }).sendWindowCapacity = 64 * mib;
  for (let sent = 0; sent < 16; sent++) stream.send(new Uint8Array(mib));
  await closed;
  const { stats } = await relay.look();
  assert.equal(stats.circuits, 0);
  const next = await startStranger(t);
  const { answer } = await requestHop(next, relay.address, connectTo(sink.peerId.toString()));
  assert.equal(answer.type === 'status' && answer.status, 100);
});
