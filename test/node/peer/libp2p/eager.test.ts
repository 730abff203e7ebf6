import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import type { Stream, StreamMuxer } from '@libp2p/interface';
import { streamPair } from '@libp2p/utils';
import { concat, fromUtf8, utf8 } from '../../../../src/lib/bytes.ts';
import { circuitStatus, encodeHop, hopProtocol } from '../../../../src/node/peer/circuit/messages.ts';
import { type EagerOption, isUnanswered, withEagerStreams } from '../../../../src/node/peer/libp2p/eager.ts';
import { readMessage, sendMessage } from '../../../../src/node/peer/libp2p/wire.ts';
import { jobProtocol } from '../../../../src/protocol/constants.ts';
import { addressOf, startPeer, testIdentity } from '../../../support/peers.ts';

const deadlineMs = 30_000;
const protocol = '/test/eager/1.0.0';
/** Header and protocol, each with its length in front. */
const proposal = utf8(`\x13/multistream/1.0.0\n\x12${protocol}\n`);

/** Opens a stream over a pair of them. @returns it, and the other end with all that this end has received */
async function openStream({ isAlive = true } = {}) {
  const [ours, theirs] = await streamPair();
  const muxer = withEagerStreams({ createStream: async () => ours } as unknown as StreamMuxer, () => isAlive);
  const options: EagerOption & { readonly protocol: string } = { protocol, eager: true };
  const stream = await muxer.createStream(options);
  return { stream, theirs, received: listen(theirs) };
}

function listen(stream: Stream): () => string {
  const parts: Uint8Array[] = [];
  stream.addEventListener('message', ({ data }) => parts.push(data.subarray()));
  return () => Buffer.concat(parts).toString('latin1');
}

/** Waits until `what` is true. */
async function until(what: () => boolean): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  while (!what() && performance.now() < deadline) await new Promise(setImmediate);
  assert.ok(what());
}

test('a stream is used before the other side has agreed to its protocol, whose answer the reader does not see', async () => {
  const { stream, theirs, received } = await openStream();
  const read = listen(stream);
  stream.send(utf8('question'));
  await until(() => received() === `${fromUtf8(proposal)}question`);
  assert.equal(stream.protocol, protocol);
  assert.ok(isUnanswered(stream));
  for (const byte of proposal.subarray(0, -1)) theirs.send(Uint8Array.of(byte));
  theirs.send(concat(proposal.subarray(-1), utf8('answer')));
  await until(() => read() === 'answer');
  assert.ok(!isUnanswered(stream));
});

test('a stream whose other side refuses the protocol, or answers with anything else, is reset', async () => {
  for (const answer of [
    '\x13/multistream/1.0.0\n\x03na\n',
    '\x13/multistream/1.0.0\n\x12/test/other/1.0.0\n',
    'GET /',
  ]) {
    const { stream, theirs } = await openStream();
    const read = listen(stream);
    const closed = once(stream as unknown as EventTarget, 'close', { signal: AbortSignal.timeout(deadlineMs) });
    theirs.send(utf8(answer));
    const [event] = (await closed) as [{ readonly error?: Error }];
    assert.equal(event.error?.name, 'UnsupportedProtocolError');
    assert.equal(read(), '');
  }
});

test('on a connection that may be dead, a stream waits for the other side', async () => {
  const { stream } = await openStream({ isAlive: false });
  assert.equal(stream.protocol, '');
  assert.ok(!isUnanswered(stream));
});

test('a protocol that the other side does not speak fails at the first read, with the reason', async (t) => {
  const provider = await startPeer(t);
  const client = await startPeer(t, { role: 'client' });
  const stream = await client.open(addressOf(provider), jobProtocol, { eager: true });
  await assert.rejects(stream.read(['beat'], { signal: AbortSignal.timeout(deadlineMs) }), {
    code: 'E_NETWORK',
    message: /does not speak this protocol/,
  });
});

test('a handshake begins before the other side has said anything', async (t) => {
  const heard = Promise.withResolvers<Uint8Array>();
  const server = createServer((socket) => {
    let bytes: Uint8Array = new Uint8Array();
    socket.on('error', () => undefined);
    socket.on('data', (more) => {
      bytes = concat(bytes, more);
      // The proposal, and the first message of the handshake behind it: an ephemeral key with its length in front.
      if (bytes.length >= 20 + 8 + 2 + 32) heard.resolve(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const client = await startPeer(t, { role: 'client' });
  const giveUp = new AbortController();
  const { peer } = await testIdentity();
  const dial = client.connect(`/ip4/127.0.0.1/tcp/${port}/p2p/${peer}`, { signal: giveUp.signal });
  dial.catch(() => undefined);
  const late = AbortSignal.timeout(deadlineMs);
  late.addEventListener('abort', () => heard.reject(late.reason));
  const bytes = await heard.promise;
  assert.equal(fromUtf8(bytes.subarray(0, 28)), '\x13/multistream/1.0.0\n\x07/noise\n');
  assert.deepEqual([...bytes.subarray(28, 30)], [0, 32]);
  giveUp.abort(new Error('enough'));
  await assert.rejects(dial, /enough/);
});

test('a handshake through a relay begins behind the request, and the relay’s refusal is what the client reads', async (t) => {
  const relay = await startPeer(t, {
    role: 'relay',
    reach: 'direct',
    extensions: [
      {
        attach: (node) =>
          node.handle(hopProtocol, async (stream) => {
            await readMessage(stream, AbortSignal.timeout(deadlineMs));
            const said = listen(stream);
            stream.resume();
            await until(() => said().includes('/noise'));
            const status = circuitStatus.connectionFailed;
            sendMessage(stream, encodeHop({ type: 'status', status, reservation: null, limit: null }));
          }),
        detach: () => undefined,
      },
    ],
  });
  const client = await startPeer(t, { role: 'client' });
  const { peer } = await testIdentity();
  await assert.rejects(client.open(`${addressOf(relay)}/p2p-circuit/p2p/${peer}`, jobProtocol), {
    code: 'E_NETWORK',
    message: /the relay does not reach that peer/,
  });
});
