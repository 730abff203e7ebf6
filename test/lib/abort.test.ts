import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { delay } from '../../src/lib/abort.ts';

test('a deadline that passes while the process is paused comes behind what has arrived by then', {
  timeout: 30_000,
}, async (context) => {
  const server = createServer().listen(0, '127.0.0.1');
  context.after(() => server.close());
  await once(server, 'listening');
  const writer = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [[reader]] = (await Promise.all([once(server, 'connection'), once(writer, 'connect')])) as [[Socket], unknown];
  context.after(() => {
    writer.destroy();
    reader.destroy();
  });
  const order: string[] = [];
  reader.on('data', () => order.push('data'));
  const late = delay(20).then(() => order.push('deadline'));
  writer.write('x');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 40);
  await late;
  assert.deepEqual(order, ['data', 'deadline']);
});
