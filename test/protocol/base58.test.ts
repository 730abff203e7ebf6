import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PublicKey } from '@solana/web3.js';
import fc from 'fast-check';
import { peerIdOf, publicKeyOf } from '../../src/proofs/signing.ts';
import { decodeAddress, fromBase58, toBase58 } from '../../src/protocol/base58.ts';

test('an address is encoded and decoded as the chain does', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat({ max: 32 }), (key, zeros) => {
      key.fill(0, 0, zeros);
      const text = new PublicKey(key).toBase58();
      assert.equal(toBase58(key), text);
      assert.deepEqual(decodeAddress(text), key);
    }),
    { seed: 1 },
  );
});

test('an address has 32 bytes: no shorter or longer text is padded or cut', () => {
  for (const bytes of [0, 1, 31, 33, 64])
    for (const byte of [0, 1, 255]) {
      const text = toBase58(new Uint8Array(bytes).fill(byte));
      assert.equal(decodeAddress(text), null, `${bytes} bytes of ${byte}`);
      assert.deepEqual(fromBase58(text), new Uint8Array(bytes).fill(byte));
    }
  for (const text of ['', '1', '11', '1'.repeat(31), '1'.repeat(33), 'z'.repeat(44)])
    assert.equal(decodeAddress(text), null, text);
  assert.deepEqual(decodeAddress('1'.repeat(32)), new Uint8Array(32));
});

test('nothing but the 58 characters is base58, wherever it stands', () => {
  const address = new PublicKey(new Uint8Array(32).fill(7)).toBase58();
  for (const stray of ['0', 'O', 'I', 'l', ' ', '\n', '-', '€', '٣', '\u{1f600}'])
    for (const text of [stray, `${stray}${address}`, `${address}${stray}`, `${address.slice(0, -1)}${stray}`]) {
      assert.equal(fromBase58(text), null, JSON.stringify(text));
      assert.equal(decodeAddress(text), null, JSON.stringify(text));
    }
  assert.equal(fromBase58('2'.repeat(2_001)), null);
});

test('a peer id has one spelling', () => {
  const peer = peerIdOf(new Uint8Array(32).fill(1));
  assert.deepEqual(publicKeyOf(peer), new Uint8Array(32).fill(1));
  for (const text of ['', '1', `1${peer}`, `${peer}1`, ` ${peer}`, `${peer.slice(0, -1)}€`, peer.repeat(3)])
    assert.throws(() => publicKeyOf(text), { name: 'MalformedError' }, text);
});
