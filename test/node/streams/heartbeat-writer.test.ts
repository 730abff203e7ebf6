import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { HeartbeatWriter } from '../../../src/node/streams/heartbeat-writer.ts';
import { encodeFrame } from '../../../src/protocol/frame-codec.ts';
import type { Frame } from '../../../src/protocol/frames.ts';
import { createMemoryStream } from '../../support/memory-stream.ts';

const beatMs = 2;
const token: Frame = { t: 'tokens', i: 0, tokens: [7], text: 'x' };
const never = 1_000_000;

/** Resolves when `stream` has at least `count` frames. */
async function written(stream: ReturnType<typeof createMemoryStream>, count: number): Promise<void> {
  while (stream.written.length < count) await delay(1, undefined, { signal: AbortSignal.timeout(10_000) });
}

test('a beat follows each silence until the end', async () => {
  const stream = createMemoryStream();
  const writer = new HeartbeatWriter(stream, { beatMs });
  await written(stream, 3);
  await writer.send(token);
  const before = stream.written.length;
  await written(stream, before + 2);
  await writer.end();
  const all = stream.written.length;
  await delay(10 * beatMs);
  assert.equal(stream.written.length, all, 'no beat after the end');
  assert.deepEqual(new Set(stream.written.map(({ t }) => t)), new Set(['beat', 'tokens']));
});

test('no beats pile up behind a frame that the other side does not take', async () => {
  const stream = createMemoryStream();
  // Far more than what passes between the lines below.
  const silenceMs = 50;
  const writer = new HeartbeatWriter(stream, { beatMs: silenceMs });
  stream.block(true);
  const sending = writer.send(token);
  await delay(5 * silenceMs);
  assert.deepEqual(stream.written, []);
  stream.block(false);
  await sending;
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(stream.written.length <= 2, `${stream.written.length} frames at once`);
  await written(stream, 2);
  assert.deepEqual(stream.written.slice(0, 2), [token, { t: 'beat' }]);
  await writer.end();
});

test('forwarded and sent frames keep their order', async () => {
  const stream = createMemoryStream();
  const writer = new HeartbeatWriter(stream, { beatMs: never });
  await Promise.all([writer.send({ t: 'beat' }), writer.forward(encodeFrame(token)), writer.send({ t: 'stop' })]);
  assert.deepEqual(stream.written, [{ t: 'beat' }, token, { t: 'stop' }]);
  await writer.end();
});

test('a frame whose signal aborts before its turn is not sent, and the next one is', async () => {
  const stream = createMemoryStream();
  const writer = new HeartbeatWriter(stream, { beatMs: never });
  stream.block(true);
  const first = writer.send(token);
  const abort = new AbortController();
  const second = writer.forward(encodeFrame(token), { signal: abort.signal });
  const third = writer.send({ t: 'stop' });
  const reason = new Error('no time');
  abort.abort(reason);
  stream.block(false);
  await assert.rejects(second, reason);
  await Promise.all([first, third]);
  assert.deepEqual(stream.written, [token, { t: 'stop' }]);
  await writer.end();
});
