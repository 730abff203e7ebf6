import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FrameStream } from '../../../../src/node/streams/streams.ts';
import { jobProtocol } from '../../../../src/protocol/constants.ts';
import { startPeer } from '../../../support/peers.ts';

test('a stream passes many times its window both ways, whoever pauses', { timeout: 120_000 }, async (context) => {
  const [server, client] = [
    await startPeer(context, { role: 'provider' }),
    await startPeer(context, { role: 'client' }),
  ];
  const pieces = 64;
  const piece = new Uint8Array(60_000).fill(7);
  const send = async (stream: FrameStream): Promise<void> => {
    for (let i = 0; i < pieces; i++) await stream.write({ t: 'receipt', receipt: piece });
  };
  const take = async (stream: FrameStream): Promise<number> => {
    let bytes = 0;
    for (let i = 0; i < pieces; i++) bytes += (await stream.read(['receipt']))?.receipt.length ?? 0;
    return bytes;
  };
  await server.handle(jobProtocol, async (stream) => {
    assert.equal(await take(stream), pieces * piece.length);
    await send(stream);
  });
  const stream = await client.open(server.addrs()[0] ?? '', jobProtocol);
  await send(stream);
  // The other side fills its window before anything is read here.
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await take(stream), pieces * piece.length);
  await stream.close();
});
