import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../../../../src/lib/bytes.ts';
import {
  decodeHop,
  decodeStop,
  encodeHop,
  encodeStop,
  type HopMessage,
  type StopMessage,
} from '../../../../src/node/peer/circuit/messages.ts';
import { RawMessageError } from '../../../../src/node/peer/libp2p/protobuf.ts';

const plain = { noNullPrototype: true } as const;
const bytes = fc.uint8Array({ maxLength: 200 });
const number = fc.nat();
const limit = fc.option(
  fc.record(
    { seconds: fc.integer({ min: 1, max: 2 ** 32 - 1 }), bytes: fc.integer({ min: 0, max: 2 ** 53 - 1 }) },
    plain,
  ),
);
const hop: fc.Arbitrary<HopMessage> = fc.oneof(
  fc.record({ type: fc.constant('reserve' as const) }, plain),
  fc.record({ type: fc.constant('connect' as const), peer: bytes }, plain),
  fc.record(
    {
      type: fc.constant('status' as const),
      status: number,
      reservation: fc.option(
        fc.record(
          { expire: fc.integer({ min: 0, max: 2 ** 53 - 1 }), addrs: fc.array(bytes, { maxLength: 8 }) },
          plain,
        ),
      ),
      limit,
    },
    plain,
  ),
);
const stop: fc.Arbitrary<StopMessage> = fc.oneof(
  fc.record({ type: fc.constant('connect' as const), peer: bytes, limit }, plain),
  fc.record({ type: fc.constant('status' as const), status: number }, plain),
);

describe('messages of circuit-relay-v2', () => {
  it('survive the way there', () => {
    fc.assert(
      fc.property(hop, (message) => assert.deepEqual(decodeHop(encodeHop(message)), message)),
      { seed: 1 },
    );
    fc.assert(
      fc.property(stop, (message) => assert.deepEqual(decodeStop(encodeStop(message)), message)),
      { seed: 1 },
    );
  });

  it('have the bytes of the specification', () => {
    // Made by another implementation of the specification.
    assert.equal(toHex(encodeHop({ type: 'reserve' })), '0800');
    assert.equal(toHex(encodeHop({ type: 'connect', peer: fromHex('0102') })), '080112040a020102');
    const status = {
      type: 'status',
      status: 100,
      reservation: { expire: 1_700_000_000, addrs: [fromHex('04080808080610a1')] },
      limit: { seconds: 120, bytes: 131_072 },
    } as const;
    assert.equal(toHex(encodeHop(status)), '08021a100880e2cfaa06120804080808080610a122060878108080082864');
    assert.equal(toHex(encodeStop({ type: 'connect', peer: fromHex('0102'), limit: null })), '080012040a020102');
    assert.equal(toHex(encodeStop({ type: 'status', status: 203 })), '080120cb01');
  });

  it('are read with unknown fields, a voucher among them, and with the last of a repeated field', () => {
    const reservation = '08051a03616263';
    assert.deepEqual(decodeHop(fromHex(`0802${`1a07${reservation}`}2864f20604deadbeef2866`)), {
      type: 'status',
      status: 102,
      reservation: { expire: 5, addrs: [] },
      limit: null,
    });
  });

  it('are refused with one kind of error, whatever arrives', () => {
    for (const hex of ['', '0803', '0801', '08010a', '0801120a', 'ff', '0d00', '08', '080112020800', '0a020000'])
      assert.throws(() => decodeHop(fromHex(hex)), RawMessageError, hex);
    for (const decode of [decodeHop, decodeStop])
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), (random) => {
          try {
            decode(random);
          } catch (error) {
            assert.ok(error instanceof RawMessageError);
          }
        }),
        { seed: 1, numRuns: 2_000 },
      );
  });
});
