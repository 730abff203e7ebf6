import { randomBytes } from 'node:crypto';
import { chmod, link, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { userHome } from '../config-home.ts';
import { QvacError } from '../errors.ts';
import { concat, equalBytes, fromUtf8 } from '../lib/bytes.ts';
import { ensureDir, fileError, privateFileMode, readFileIfAny, systemCode } from '../lib/files.ts';
import { signingKeyFromSeed } from '../proofs/signing.ts';
import { fromBase58 } from '../protocol/base58.ts';
import { addressText } from './addresses.ts';
import type { WalletKey } from './escrow.ts';

/** A key that holds lamports, from a file with seed and public key: 64 numbers as in the Solana CLI, or base58. */
export interface Wallet extends WalletKey {
  /** base58 */
  readonly address: string;
  /** The file it came from. */
  readonly path: string;
}

const seedBytes = 32;
const keyBytes = 64;

/**
 * The wallet in the key file `path`, or null where there is no file. Takes from others the right to read it.
 * @throws QvacError E_KEY where the file is no key, or others may read it and that cannot be changed
 */
export async function loadWallet(path: string): Promise<Wallet | null> {
  const bytes = await readFileIfAny(path);
  if (bytes === null) return null;
  await keepPrivate(path);
  return walletOf(path, parseKeyFile(path, bytes));
}

/** Makes a wallet and keeps it in `path` (0600). @throws QvacError E_KEY where there is a file already */
export async function createWallet(path: string): Promise<Wallet> {
  const seed = new Uint8Array(randomBytes(seedBytes));
  return keep(path, seed);
}

/** The wallet in `path`, made where there is none. Whoever comes second takes the one of whoever came first. */
export async function loadOrCreateWallet(path: string): Promise<Wallet> {
  const existing = await loadWallet(path);
  if (existing !== null) return existing;
  try {
    return await createWallet(path);
  } catch (error) {
    const winner = error instanceof QvacError && error.code === 'E_KEY' ? await loadWallet(path) : null;
    if (winner !== null) return winner;
    throw error;
  }
}

/**
 * Keeps a copy of another wallet in `path`.
 * @param secret the text of a key file of the Solana command line, or the 64-byte key in base58, as other wallets show
 * it
 * @throws QvacError E_KEY where it is neither, or where there is a file already
 */
export async function importWallet(path: string, secret: string): Promise<Wallet> {
  return keep(path, seedOf(parseSecret(secret), 'what was given'));
}

/** Null if the user has no home folder. */
function solanaConfigDir(): string | null {
  try {
    return join(userHome(), '.config', 'solana');
  } catch (error) {
    if (error instanceof QvacError) return null;
    throw error;
  }
}

/**
 * The key file that the Solana command line uses, or null where it has none: the `keypair_path` of its configuration,
 * else its default. Its wallet is not read here.
 * @param configDir default: `~/.config/solana`
 */
export async function findSolanaKeypair(configDir = solanaConfigDir()): Promise<string | null> {
  if (configDir === null) return null;
  const config = await readFileIfAny(join(configDir, 'cli', 'config.yml')).catch(() => null);
  const named =
    config === null
      ? undefined
      : /^keypair_path:\s*(?:"([^"\n]+)"|'([^'\n]+)'|([^\s#]+))/m.exec(Buffer.from(config).toString('utf8'));
  const path = named?.slice(1).find((part) => part !== undefined);
  const candidates = [
    ...(path === undefined ? [] : [resolve(path.replace(/^~(?=\/)/, () => userHome()))]),
    join(configDir, 'id.json'),
  ];
  for (const candidate of candidates) {
    const bytes = await readFileIfAny(candidate).catch(() => null);
    if (bytes !== null) return candidate;
  }
  return null;
}

/** The wallet that someone else's key file holds; the file's rights are left as they are. @throws QvacError E_KEY */
export async function readWallet(path: string): Promise<Wallet> {
  const bytes = await readFileIfAny(path);
  if (bytes === null)
    throw new QvacError('E_KEY', `there is no key file ${path}`, {
      hint: `qvac wallet new --wallet ${path} makes one`,
    });
  return walletOf(path, parseKeyFile(path, bytes));
}

function walletOf(path: string, seed: Uint8Array): Wallet {
  const key = signingKeyFromSeed(seed);
  return { publicKey: key.publicKey, sign: (message) => key.sign(message), address: addressText(key.publicKey), path };
}

function parseKeyFile(path: string, bytes: Uint8Array): Uint8Array {
  let text: string;
  try {
    text = fromUtf8(bytes);
  } catch {
    text = '';
  }
  return seedOf(parseSecret(text), path);
}

/** A key file's text: numbers, as the Solana CLI keeps them, or base58, as other wallets export the key. */
function parseSecret(text: string): Uint8Array | null {
  const trimmed = text.trim();
  return trimmed.startsWith('[') ? parseNumbers(trimmed) : fromBase58(trimmed);
}

function parseNumbers(text: string): Uint8Array | null {
  try {
    const value: unknown = JSON.parse(text);
    const isBytes =
      Array.isArray(value) &&
      value.every((byte) => Number.isInteger(byte) && (byte as number) >= 0 && (byte as number) <= 255);
    return isBytes ? Uint8Array.from(value as readonly number[]) : null;
  } catch {
    return null;
  }
}

/** @param what names the source in the error line; the secret itself is never shown */
function seedOf(key: Uint8Array | null, what: string): Uint8Array {
  const broken = (why: string): QvacError =>
    new QvacError('E_KEY', `${what} is not a Solana key (${why})`, {
      hint: 'use a key file of the Solana CLI (a list of 64 numbers), or the same key in base58',
    });
  if (key === null) throw broken('neither a list of bytes nor base58');
  if (key.length !== keyBytes) throw broken(`${key.length} bytes instead of ${keyBytes}`);
  const seed = key.slice(0, seedBytes);
  if (!equalBytes(signingKeyFromSeed(seed).publicKey, key.subarray(seedBytes)))
    throw broken('its public half does not belong to its private half');
  return seed;
}

/** The file appears whole or not at all, and never in the place of another. */
async function keep(path: string, seed: Uint8Array): Promise<Wallet> {
  const wallet = walletOf(path, seed);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  await ensureDir(dirname(path));
  try {
    await writeFile(temporary, `${JSON.stringify([...concat(seed, wallet.publicKey)])}\n`, {
      mode: privateFileMode,
      flag: 'wx',
    });
    await link(temporary, path);
    return wallet;
  } catch (error) {
    if (systemCode(error) === 'EEXIST')
      throw new QvacError('E_KEY', `there is a wallet already: ${path}`, {
        hint: 'move it away first, and keep it: the file controls the money',
        cause: error,
      });
    throw fileError(error, `write ${path}`);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

async function keepPrivate(path: string): Promise<void> {
  if (process.platform === 'win32' || ((await stat(path)).mode & 0o077) === 0) return;
  try {
    await chmod(path, privateFileMode);
  } catch (error) {
    throw new QvacError('E_KEY', `${path} can be read by other users of this machine`, {
      hint: `chmod 600 ${path}`,
      cause: error,
    });
  }
}
