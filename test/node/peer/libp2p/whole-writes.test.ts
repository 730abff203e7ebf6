import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
import { test } from 'node:test';
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface';
import { utf8 } from '../../../../src/lib/bytes.ts';
import { wholeWrites } from '../../../../src/node/peer/libp2p/whole-writes.ts';

const timeout = 30_000;

/** What an encrypter gets for `connection`. */
async function wrapped(connection: object): Promise<MessageStream> {
  const given: MessageStream[] = [];
  const secureOutbound = async (inner: MessageStream): Promise<void> => void given.push(inner);
  const encrypter = wholeWrites(() => ({ protocol: 'test', secureOutbound }) as unknown as ConnectionEncrypter)({});
  await encrypter.secureOutbound(connection as MessageStream);
  const [inner] = given;
  assert.ok(inner !== undefined);
  return inner;
}

/** A connection over loopback as the TCP transport makes it, which counts the writes of its socket. */
async function loopback() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const socket = dial((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  const [remote] = await accepted;
  const parts: string[] = [];
  remote.setEncoding('latin1').on('data', (text: string) => parts.push(text));
  const ended = once(remote, 'end').finally(() => server.close());
  let writes = 0;
  const [write, writev] = [socket._write.bind(socket), socket._writev?.bind(socket)];
  socket._write = (...all) => {
    writes++;
    write(...all);
  };
  socket._writev = (...all) => {
    writes++;
    writev?.(...all);
  };
  return {
    connection: await wrapped({ socket, send: (data: Uint8Array) => socket.write(data) }),
    socket,
    writes: () => writes,
    /** What the other side has received when this side has ended. */
    received: () => ended.then(() => parts.join('')),
  };
}

test('what is sent in one turn of the event loop is one write, in order', { timeout }, async () => {
  const { connection, socket, writes, received } = await loopback();
  for (const text of ['a', 'b', 'c']) connection.send(utf8(text));
  await Promise.resolve();
  connection.send(utf8('d'));
  await new Promise(setImmediate);
  assert.equal(writes(), 1);
  connection.send(utf8('e'));
  await new Promise(setImmediate);
  assert.equal(writes(), 2);
  socket.end();
  assert.equal(await received(), 'abcde');
});

test('a connection that closes in the same turn sends what was sent before', { timeout }, async () => {
  const { connection, socket, received } = await loopback();
  connection.send(utf8('last words'));
  socket.destroySoon();
  assert.equal(await received(), 'last words');
});

test('a full socket says so, as without waiting for the end of the turn', { timeout }, async () => {
  const { connection, socket, received } = await loopback();
  const half = new Uint8Array(socket.writableHighWaterMark / 2);
  assert.deepEqual([connection.send(half), connection.send(half)], [true, false]);
  socket.end();
  assert.equal((await received()).length, socket.writableHighWaterMark);
});

test('a connection through a relay, which has no socket, sends each message whole', async () => {
  const sent: unknown[] = [];
  const connection = await wrapped({ send: (data: Uint8Array) => sent.push(data) > 0 });
  connection.send(utf8('a'));
  assert.deepEqual(sent, [utf8('a')]);
});
