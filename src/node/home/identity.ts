import { randomBytes } from 'node:crypto';
import { chmod, link, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  generateKeyPair,
  generateKeyPairFromSeed,
  privateKeyFromProtobuf,
  privateKeyToProtobuf,
} from '@libp2p/crypto/keys';
import type { Ed25519PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { QvacError } from '../../errors.ts';
import { equalBytes } from '../../lib/bytes.ts';
import { ensureDir, fileError, privateFileMode, readFileIfAny, systemCode } from '../../lib/files.ts';
import { acquireLock, type Release } from '../../lib/lock.ts';
import { type Logger, silentLogger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { type SigningKey, signingKeyFromSeed } from '../../proofs/signing.ts';

/** A node's identity: one Ed25519 key for its connections and its signatures. */
export interface Identity {
  readonly peer: PeerIdString;
  readonly signingKey: SigningKey;
  readonly privateKey: Ed25519PrivateKey;
}

/** Length of an Ed25519 key in libp2p's private key message. */
const keyFileBytes = 68;

/** The identity of a 32-byte seed. */
export async function identityFromSeed(seed: Uint8Array): Promise<Identity> {
  return identityOf(await generateKeyPairFromSeed('Ed25519', seed));
}

function identityOf(privateKey: Ed25519PrivateKey): Identity {
  return {
    peer: peerIdFromPrivateKey(privateKey).toString() as PeerIdString,
    signingKey: signingKeyFromSeed(privateKey.raw.subarray(0, 32)),
    privateKey,
  };
}

/**
 * The identity in the key file `path`, libp2p's protobuf of an Ed25519 private key. Creates the file (0600) if it does
 * not exist.
 * @throws QvacError E_KEY if the file is not such a key, or others may read it and its mode cannot be changed
 * @throws QvacError E_HOME if it cannot be read or written
 */
export async function loadIdentity(path: string, logger: Logger = silentLogger): Promise<Identity> {
  const bytes = (await readFileIfAny(path)) ?? (await createKey(path));
  await keepPrivate(path, logger);
  return identityOf(await parseKey(path, bytes));
}

/**
 * Reserves the identity at `path` for this process: two nodes with one key would disconnect each other.
 * @throws QvacError E_LOCKED naming the process that holds it
 */
export function lockIdentity(path: string, what: string): Promise<Release> {
  return acquireLock(`${path}.lock`, what);
}

async function createKey(path: string): Promise<Uint8Array> {
  const bytes = privateKeyToProtobuf(await generateKeyPair('Ed25519'));
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await ensureDir(dirname(path));
  try {
    await writeFile(temporary, bytes, { mode: privateFileMode, flag: 'wx' });
    // The file appears whole or not at all; of two processes the second one reads the key of the first.
    await link(temporary, path);
    return bytes;
  } catch (error) {
    const winner = systemCode(error) === 'EEXIST' ? await readFileIfAny(path) : null;
    if (winner !== null) return winner;
    throw fileError(error, `write ${path}`);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

async function parseKey(path: string, bytes: Uint8Array): Promise<Ed25519PrivateKey> {
  const broken = (why: string, cause?: unknown): QvacError =>
    new QvacError('E_KEY', `${path} is not a key file (${why})`, {
      hint: 'restore it from a copy, or move it away to get a new identity',
      cause,
    });
  if (bytes.length !== keyFileBytes) throw broken(`${bytes.length} bytes instead of ${keyFileBytes}`);
  let key: ReturnType<typeof privateKeyFromProtobuf>;
  try {
    key = privateKeyFromProtobuf(bytes);
  } catch (error) {
    throw broken('not an Ed25519 key', error);
  }
  if (key.type !== 'Ed25519') throw broken(`a key of type ${key.type}`);
  const derived = await generateKeyPairFromSeed('Ed25519', key.raw.subarray(0, 32));
  if (!equalBytes(derived.publicKey.raw, key.publicKey.raw))
    throw broken('its public half does not belong to its private half');
  return key;
}

/** Makes the key private again: a copy or a restore may have made it readable to others. */
async function keepPrivate(path: string, logger: Logger): Promise<void> {
  if (process.platform === 'win32') return;
  const { mode } = await stat(path);
  if ((mode & 0o077) === 0) return;
  try {
    await chmod(path, privateFileMode);
  } catch (error) {
    throw new QvacError('E_KEY', `${path} can be read by other users of this machine`, {
      hint: `chmod 600 ${path}`,
      cause: error,
    });
  }
  logger.warn('other users could read a key file; it is private again', { path });
}
