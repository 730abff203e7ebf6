import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Stream } from '@libp2p/interface';
import { multiaddrConnectionPair } from '@libp2p/utils';
import { yamux } from '@libp2p/yamux';
import { withRareUpdates } from '../../../../src/node/peer/libp2p/window-updates.ts';

const deadlineMs = 30_000;

/** Two ends of a connection, a stream from the first to the second, and the bytes that the first has received. */
async function openStream() {
  const [near, far] = multiaddrConnectionPair();
  let bytes = 0;
  near.addEventListener('message', ({ data }) => {
    bytes += data.byteLength;
  });
  const [dialler, listener] = [near, far].map((connection) =>
    withRareUpdates(yamux({ enableKeepAlive: false })().createStreamMuxer(connection)),
  );
  assert.ok(dialler !== undefined && listener !== undefined);
  const came = once(listener as unknown as EventTarget, 'stream', { signal: AbortSignal.timeout(deadlineMs) });
  const stream = await dialler.createStream();
  const [{ detail }] = (await came) as [{ readonly detail: Stream }];
  return { stream, inbound: detail, received: () => bytes };
}

test('small messages are not answered by a packet each, and large ones are not held up', async () => {
  const { stream, inbound, received } = await openStream();
  let arrived = 0;
  let changed = Promise.withResolvers<void>();
  inbound.addEventListener('message', ({ data }) => {
    arrived += data.byteLength;
    changed.resolve();
  });
  const until = async (bytes: number): Promise<void> => {
    const signal = AbortSignal.timeout(deadlineMs);
    while (arrived < bytes) {
      changed = Promise.withResolvers();
      signal.throwIfAborted();
      await Promise.race([changed.promise, once(signal, 'abort')]);
    }
  };
  stream.send(new Uint8Array(100));
  await until(100);
  // The first message is answered by the end of the opening.
  const before = received();
  for (let sent = 0; sent < 100; sent++) stream.send(new Uint8Array(100));
  await until(10_100);
  assert.equal(received(), before);
  const large = 4 << 20;
  stream.send(new Uint8Array(large));
  await until(10_100 + large);
  assert.ok(received() > before);
});
