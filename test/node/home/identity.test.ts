import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import { identityFromSeed, loadIdentity, lockIdentity } from '../../../src/node/home/identity.ts';
import { peerIdOf, signBody, verifyBody } from '../../../src/proofs/signing.ts';
import { kinds } from '../../../src/protocol/messages.ts';
import { temporaryHome } from '../../support/home.ts';

test('a private key file is created once, and identifies the same peer from then on', async (t) => {
  const path = join(await temporaryHome(t), 'keys', 'client.key');
  const first = await loadIdentity(path);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await readFile(path)).length, 68);
  const second = await loadIdentity(path);
  assert.equal(second.peer, first.peer);
  assert.equal(peerIdOf(second.signingKey.publicKey), first.peer);
  const body = Uint8Array.of(1);
  assert.ok(
    verifyBody(first.signingKey.publicKey, kinds.card, null, signBody(second.signingKey, kinds.card, null, body)),
  );
});

test('processes that create one key file at the same moment get the same identity', async (t) => {
  const path = join(await temporaryHome(t), 'client.key');
  const peers = await Promise.all(Array.from({ length: 8 }, () => loadIdentity(path)));
  assert.equal(new Set(peers.map(({ peer }) => peer)).size, 1);
});

test('a damaged key file is E_KEY in one line and is not changed', async (t) => {
  const path = join(await temporaryHome(t), 'client.key');
  const whole = privateKeyToProtobuf(await generateKeyPair('Ed25519'));
  const otherHalf = Uint8Array.from(whole);
  otherHalf[67] = (otherHalf[67] ?? 0) ^ 1;
  const secp256k1 = privateKeyToProtobuf(await generateKeyPair('secp256k1'));
  for (const bytes of [
    new Uint8Array(0),
    whole.subarray(0, 40),
    randomBytes(68),
    otherHalf,
    secp256k1,
    Buffer.from('-----BEGIN PRIVATE KEY-----\n'),
  ]) {
    await writeFile(path, bytes, { mode: 0o600 });
    await assert.rejects(loadIdentity(path), (error: Error & { code: string; exitCode: number; hint?: string }) => {
      assert.equal(error.code, 'E_KEY');
      assert.equal(error.exitCode, 3);
      assert.ok(error.message.includes(path) && !error.message.includes('\n'));
      assert.ok(error.hint);
      return true;
    });
    assert.deepEqual(new Uint8Array(await readFile(path)), new Uint8Array(bytes));
  }
});

test('a key that others may read is made private again', async (t) => {
  const path = join(await temporaryHome(t), 'client.key');
  await loadIdentity(path);
  await chmod(path, 0o644);
  const warnings: string[] = [];
  await loadIdentity(path, { debug() {}, info() {}, warn: (message) => warnings.push(message), error() {} });
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal(warnings.length, 1);
});

test('an identity in use is refused with the name of its process, and free after its release', async (t) => {
  const keyPath = join(await temporaryHome(t), 'provider.key');
  const release = await lockIdentity(keyPath, 'this provider');
  await assert.rejects(lockIdentity(keyPath, 'this provider'), {
    code: 'E_LOCKED',
    message: new RegExp(`pid ${process.pid}`),
  });
  await release();
  const again = await lockIdentity(keyPath, 'this provider');
  await again();
});

test('the identity of a seed is that of its public key', async () => {
  const seed = randomBytes(32);
  const identity = await identityFromSeed(seed);
  assert.equal(identity.peer, peerIdOf(identity.signingKey.publicKey));
  assert.equal(identity.peer, (await identityFromSeed(seed)).peer);
});
