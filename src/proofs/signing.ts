import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { concat, equalBytes, fromHex } from '../lib/bytes.ts';
import type { JobId, PeerIdString } from '../lib/types.ts';
import { fromBase58, toBase58 } from '../protocol/base58.ts';
import { MalformedError } from '../protocol/codec.ts';
import { sha256, tag } from '../protocol/digests.ts';
import type { Kind, Signed } from '../protocol/messages.ts';
import { isStrictPoint } from './signing/ed25519-points.ts';

/** An Ed25519 identity that can sign. The secret never leaves it. */
export interface SigningKey {
  /** Raw 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64-byte signature over `message`. */
  sign(message: Uint8Array): Uint8Array;
}

/** DER before the 32 raw bytes of an Ed25519 key (RFC 8410). */
const privateKeyDer = fromHex('302e020100300506032b657004220420');
const publicKeyDer = fromHex('302a300506032b6570032100');

/** The key of a 32-byte seed (RFC 8032 section 5.1.5). */
export function signingKeyFromSeed(seed: Uint8Array): SigningKey {
  if (seed.length !== 32) throw new RangeError(`"seed" expected 32 bytes, got ${seed.length}`);
  const key = createPrivateKey({ key: Buffer.from(concat(privateKeyDer, seed)), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const publicKey = Uint8Array.from(spki.subarray(publicKeyDer.length));
  return { publicKey, sign: (message) => Uint8Array.from(sign(null, message, key)) };
}

/** Section 1: the 80 bytes that are signed. `jobId` is null for a message outside a job. */
export function signedMessage(kind: Kind, jobId: JobId | null, body: Uint8Array): Uint8Array {
  return concat(tag(kind), jobId === null ? new Uint8Array(32) : fromHex(jobId), sha256(body));
}

/** `body` with its signature as a message of `kind`. */
export function signBody(key: SigningKey, kind: Kind, jobId: JobId | null, body: Uint8Array): Signed {
  const message = signedMessage(kind, jobId, body);
  const sig = key.sign(message);
  rememberValid(nameOf(key.publicKey, message, sig));
  return { body, sig };
}

/**
 * Whether `signed` was signed as `kind` by the owner of `publicKey`. Strict as section 1 asks, so that every verifier
 * and a program on a chain agree: node:crypto refuses an `S` that is not reduced and an `R` that is not canonical, and
 * does not multiply by the cofactor; keys and points of small order or another encoding are refused here. Never throws.
 */
export function verifyBody(publicKey: Uint8Array, kind: Kind, jobId: JobId | null, { body, sig }: Signed): boolean {
  if (publicKey.length !== 32 || sig.length !== 64) return false;
  const message = signedMessage(kind, jobId, body);
  const name = nameOf(publicKey, message, sig);
  if (valid.has(name)) return true;
  const isValid = isSignedBy(publicKey, message, sig);
  if (isValid) rememberValid(name);
  return isValid;
}

/**
 * Signatures that were made or found valid lately: a message is checked when it arrives, and again in its receipt. Each
 * is named by all that its check depends on.
 */
const valid = new Set<string>();
const maxValid = 1_024;

/** @param publicKey of 32 bytes, with a `signature` of 64: their lengths tell the parts of the name apart */
function nameOf(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): string {
  return Buffer.from(concat(publicKey, signature, message)).toString('latin1');
}

function rememberValid(name: string): void {
  const [oldest] = valid;
  if (valid.size >= maxValid && oldest !== undefined) valid.delete(oldest);
  valid.add(name);
}

/** Whether `sig` is the signature of `publicKey` over `message`, as strict as `verifyBody`. Never throws. */
export function isSignedBy(publicKey: Uint8Array, message: Uint8Array, sig: Uint8Array): boolean {
  if (publicKey.length !== 32 || sig.length !== 64) return false;
  if (!isStrictPoint(publicKey) || !isStrictPoint(sig.subarray(0, 32))) return false;
  return verify(null, message, publicKeyObject(publicKey), sig);
}

/** Keys seen lately; making one costs as much as a tenth of a verification. */
const keyObjects = new Map<string, KeyObject>();
const maxKeyObjects = 256;

function publicKeyObject(publicKey: Uint8Array): KeyObject {
  const name = Buffer.from(publicKey).toString('latin1');
  const known = keyObjects.get(name);
  if (known !== undefined) return known;
  const key = createPublicKey({ key: Buffer.from(concat(publicKeyDer, publicKey)), format: 'der', type: 'spki' });
  const [oldest] = keyObjects.keys();
  if (keyObjects.size >= maxKeyObjects && oldest !== undefined) keyObjects.delete(oldest);
  keyObjects.set(name, key);
  return key;
}

/** A peer id is the identity multihash of the key's protobuf: these bytes and the key. */
const peerIdPrefix = fromHex('002408011220');

/** More characters than a peer id of any kind of key has. */
const maxPeerIdLength = 64;

/** The libp2p peer id of a raw Ed25519 key, `12D3Koo…`. */
export function peerIdOf(publicKey: Uint8Array): PeerIdString {
  if (publicKey.length !== 32) throw new RangeError(`"publicKey" expected 32 bytes, got ${publicKey.length}`);
  return toBase58(concat(peerIdPrefix, publicKey)) as PeerIdString;
}

/**
 * The raw Ed25519 key in a peer id. @throws MalformedError for a text that is none, or the id of another kind of key
 */
export function publicKeyOf(peerId: string): Uint8Array {
  const bytes = peerId.length > maxPeerIdLength ? null : fromBase58(peerId);
  if (bytes === null) throw new MalformedError('not a peer id');
  const prefix = bytes.subarray(0, peerIdPrefix.length);
  if (bytes.length !== peerIdPrefix.length + 32 || !equalBytes(prefix, peerIdPrefix))
    throw new MalformedError('not the peer id of an Ed25519 key');
  return bytes.slice(peerIdPrefix.length);
}
