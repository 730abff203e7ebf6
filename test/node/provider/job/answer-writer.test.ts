import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAnswerWriter } from '../../../../src/node/provider/job/answer-writer.ts';
import type { Frame } from '../../../../src/protocol/frames.ts';
import { createMemoryStream } from '../../../support/memory-stream.ts';

const head = { body: new Uint8Array(1), sig: new Uint8Array(64) };
const quiet = { beatMs: 1_000_000, flushMs: 1_000_000, onFailure: () => undefined };

function shape(frame: Frame): unknown {
  return frame.t === 'tokens' ? [frame.i, frame.tokens, frame.text] : frame.t;
}

test('the first token is sent at once, the others in batches, and no batch straddles a head', async () => {
  const stream = createMemoryStream();
  const writer = createAnswerWriter(stream, quiet);
  for (const [id, text] of [
    [1, 'a'],
    [2, ''],
    [3, 'é'],
  ] as const)
    writer.token(id, text);
  writer.head(head);
  writer.token(4, 'd');
  writer.rest('\ufffd');
  writer.head(head);
  await writer.drained();
  writer.stop();
  assert.deepEqual(stream.written.map(shape), [[0, [1], 'a'], [1, [2, 3], 'é'], 'head', [3, [4], 'd\ufffd'], 'head']);
  assert.deepEqual({ tokens: writer.sentTokens, text: writer.sentText }, { tokens: 4, text: 'aéd\ufffd' });
});

test('a batch of 1 KiB is sent at once', async () => {
  const stream = createMemoryStream();
  const writer = createAnswerWriter(stream, quiet);
  writer.token(1, 'a');
  writer.token(2, 'b'.repeat(1_000));
  assert.equal(writer.sentTokens, 1);
  writer.token(3, 'c'.repeat(30));
  assert.equal(writer.sentTokens, 3);
  await writer.drained();
  writer.stop();
});

test('a single token is sent after the flush time', async () => {
  const stream = createMemoryStream();
  const writer = createAnswerWriter(stream, { ...quiet, flushMs: 1 });
  writer.token(1, 'a');
  writer.token(2, 'b');
  while (stream.written.length < 2) await new Promise((resume) => setImmediate(resume));
  writer.stop();
  assert.deepEqual(stream.written.map(shape), [
    [0, [1], 'a'],
    [1, [2], 'b'],
  ]);
});

test('heartbeats fill a silence, but not for a client that does not read', async () => {
  const stream = createMemoryStream();
  const writer = createAnswerWriter(stream, { ...quiet, beatMs: 1 });
  while (stream.written.length < 2) await new Promise((resume) => setImmediate(resume));
  stream.block(true);
  const before = stream.written.length;
  writer.frame({ t: 'beat' });
  let drained = false;
  void writer.drained().then(() => (drained = true));
  for (let turn = 0; turn < 20; turn++) await new Promise((resume) => setTimeout(resume, 1));
  assert.equal(drained, false);
  stream.block(false);
  await writer.drained();
  assert.equal(stream.written.length, before + 1);
  writer.stop();
});

test('the progress of the prompt takes the place of one heartbeat, and ends with the first token', async () => {
  const stream = createMemoryStream();
  const writer = createAnswerWriter(stream, { ...quiet, beatMs: 1 });
  writer.progress(128, 500);
  writer.progress(256, 500);
  while (stream.written.length < 2) await new Promise((resume) => setImmediate(resume));
  assert.deepEqual(stream.written.slice(0, 2), [{ t: 'progress', done: 256, total: 500 }, { t: 'beat' }]);
  writer.progress(384, 500);
  writer.token(1, 'a');
  const before = stream.written.length;
  while (stream.written.length < before + 3) await new Promise((resume) => setImmediate(resume));
  writer.stop();
  assert.equal(stream.written.filter(({ t }) => t === 'progress').length, 1);
});

test('a client that does not read within the time allowed is dropped, once', async () => {
  const stream = createMemoryStream();
  const failures: Error[] = [];
  const writer = createAnswerWriter(stream, { ...quiet, stallMs: 5, onFailure: (reason) => failures.push(reason) });
  stream.block(true);
  writer.token(1, 'a');
  await writer.drained();
  writer.token(2, 'b');
  writer.flush();
  await writer.drained();
  assert.equal(failures.length, 1);
  assert.match(failures[0]?.message ?? '', /does not read/);
  assert.equal(stream.aborted, failures[0]);
  assert.deepEqual(stream.written, []);
});
