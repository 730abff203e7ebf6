import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import type { JobId } from '../../src/lib/types.ts';
import { isStrictPoint } from '../../src/proofs/signing/ed25519-points.ts';
import {
  peerIdOf,
  publicKeyOf,
  signBody,
  signedMessage,
  signingKeyFromSeed,
  verifyBody,
} from '../../src/proofs/signing.ts';
import { MalformedError } from '../../src/protocol/codec.ts';
import { type Kind, kinds } from '../../src/protocol/messages.ts';
import { readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly good: readonly {
    kind: Kind;
    secretKey: string;
    publicKey: string;
    peerId: string;
    jobId: string;
    body: string;
    message: string;
    sig: string;
  }[];
  readonly bad: readonly { what: string; kind: Kind; publicKey: string; jobId: string; body: string; sig: string }[];
}

const vectors = readVectors('signing.json') as Vectors;

/** Outside a job 32 zero bytes are signed. */
const jobIdOrNull = (hex: string): JobId | null => (/^0+$/.test(hex) ? null : (hex as JobId));

fc.configureGlobal({ seed: 1 });

describe('section 1: signing', () => {
  for (const { kind, secretKey, publicKey, peerId, jobId, body, message, sig } of vectors.good) {
    it(`signs a ${kind} of ${peerId}`, () => {
      const key = signingKeyFromSeed(fromHex(secretKey));
      const job = jobIdOrNull(jobId);
      assert.equal(toHex(key.publicKey), publicKey);
      assert.equal(toHex(signedMessage(kind, job, fromHex(body))), message);
      const signed = signBody(key, kind, job, fromHex(body));
      assert.equal(toHex(signed.sig), sig);
      assert.ok(verifyBody(key.publicKey, kind, job, signed));
      assert.equal(peerIdOf(key.publicKey), peerId);
      assert.equal(toHex(publicKeyOf(peerId)), publicKey);
    });
  }

  for (const { what, kind, publicKey, jobId, body, sig } of vectors.bad) {
    it(`refuses ${what}`, () => {
      assert.equal(
        verifyBody(fromHex(publicKey), kind, jobIdOrNull(jobId), { body: fromHex(body), sig: fromHex(sig) }),
        false,
      );
    });
  }

  it('refuses a signature with any bit changed', () => {
    const key = signingKeyFromSeed(new Uint8Array(32).fill(7));
    const { body, sig } = signBody(key, 'qvac/card/1', null, Uint8Array.of(1, 2, 3));
    fc.assert(
      fc.property(fc.nat(511), (bit) => {
        const changed = sig.slice();
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.equal(verifyBody(key.publicKey, 'qvac/card/1', null, { body, sig: changed }), false);
      }),
    );
  });

  it('refuses anew what differs in a part from a signature that it found valid', () => {
    const key = signingKeyFromSeed(new Uint8Array(32).fill(9));
    const body = new Uint8Array(40).fill(1);
    const jobId = '11'.repeat(32) as JobId;
    const signed = signBody(key, kinds.ack, jobId, body);
    const { publicKey } = key;
    for (let each = 0; each < 2; each++) assert.ok(verifyBody(publicKey, kinds.ack, jobId, signed));
    const other = signingKeyFromSeed(new Uint8Array(32).fill(8)).publicKey;
    assert.ok(!verifyBody(other, kinds.ack, jobId, signed));
    assert.ok(!verifyBody(publicKey, kinds.head, jobId, signed));
    assert.ok(!verifyBody(publicKey, kinds.ack, null, signed));
    assert.ok(!verifyBody(publicKey, kinds.ack, jobId, { ...signed, body: body.slice(1) }));
    // The same bytes in a row, cut elsewhere.
    const sig = signed.sig.subarray(1);
    const longer = Uint8Array.of(...publicKey, signed.sig[0] ?? 0);
    assert.ok(!verifyBody(longer, kinds.ack, jobId, { body, sig }));
  });

  it('refuses every encoding of a point of small order', () => {
    const hexes = [
      '01',
      '00',
      'ec',
      'ed',
      'ee',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    ];
    for (const hex of hexes) {
      const point =
        hex.length === 64
          ? fromHex(hex)
          : fromHex(hex.padEnd(62, hex.startsWith('e') ? 'f' : '0') + (hex.startsWith('e') ? '7f' : '00'));
      assert.equal(isStrictPoint(point), false, hex);
      point[31] = (point[31] ?? 0) | 0x80;
      assert.equal(isStrictPoint(point), false, `${hex}, negative`);
    }
  });

  it('refuses what is no Ed25519 peer id', () => {
    for (const text of [
      '',
      '12D3KooW',
      'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
      '0OIl',
      'a'.repeat(1_000_000),
    ]) {
      assert.throws(() => publicKeyOf(text), MalformedError);
    }
  });
});
