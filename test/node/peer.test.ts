import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jobProtocol } from '../../src/protocol/constants.ts';
import { addressOf, startPeer } from '../support/peers.ts';

test('a stream carries frames both ways and ends cleanly', async (t) => {
  const provider = await startPeer(t);
  const client = await startPeer(t, { role: 'client' });
  await provider.handle(jobProtocol, async (stream) => {
    assert.equal(stream.remote.peer, client.id);
    assert.deepEqual(stream.remote.publicKey, client.key.publicKey);
    for (;;) {
      const frame = await stream.read(['tokens']);
      if (frame === null) return;
      await stream.write(frame);
    }
  });
  const stream = await client.open(addressOf(provider), jobProtocol);
  const frame = { t: 'tokens', i: 0, tokens: [1, 2, 3], text: 'one two three' } as const;
  for (let round = 0; round < 3; round++) {
    await stream.write(frame);
    assert.deepEqual(await stream.read(['tokens']), frame);
  }
  await stream.close();
  assert.equal(await stream.read(['tokens']), null);
});
