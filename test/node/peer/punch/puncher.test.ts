import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import fc from 'fast-check';
import { fromHex, toHex } from '../../../../src/lib/bytes.ts';
import { RawMessageError } from '../../../../src/node/peer/libp2p/protobuf.ts';
import { readMessage, sendMessage } from '../../../../src/node/peer/libp2p/wire.ts';
import { decodePunch, encodePunch, punchProtocol } from '../../../../src/node/peer/punch/messages.ts';
import { startHidden, startRelay } from '../../../support/circuits.ts';
import { openRaw, startStranger } from '../../../support/hostile.ts';
import { addressOf, startPeer } from '../../../support/peers.ts';

describe('hole punching', () => {
  it('has the bytes of the specification', () => {
    const { bytes } = multiaddr('/ip4/8.8.8.8/tcp/4001');
    assert.equal(toHex(encodePunch({ type: 100, addrs: [bytes] })), '086412080408080808060fa1');
    assert.equal(toHex(encodePunch({ type: 300, addrs: [] })), '08ac02');
    assert.deepEqual(decodePunch(fromHex('08ac02')), { type: 300, addrs: [] });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (random) => {
        try {
          decodePunch(random);
        } catch (error) {
          assert.ok(error instanceof RawMessageError);
        }
      }),
      { seed: 1 },
    );
  });

  it('is refused over a direct connection, which could name somebody else’s address', async (t) => {
    const provider = await startPeer(t);
    const stranger = await startStranger(t);
    await assert.rejects(async () => {
      const stream = await openRaw(stranger, addressOf(provider), punchProtocol);
      sendMessage(stream, encodePunch({ type: 100, addrs: [multiaddr('/ip4/8.8.8.8/tcp/53').bytes] }));
      await readMessage(stream, AbortSignal.timeout(30_000));
    }, /closed|ended|reset/i);
  });

  it('is not tried by a node that no peer outside has seen', async (t) => {
    const { peer: relay } = await startRelay(t);
    const provider = await startHidden(t, [addressOf(relay)]);
    const client = await startPeer(t, { role: 'client' });
    await client.connect(addressOf(provider));
    assert.deepEqual(provider.reach().punches, { mapping: 'unknown', tried: 0, succeeded: 0 });
  });
});
