import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { QvacError } from '../../errors.ts';
import { fromUtf8 } from '../../lib/bytes.ts';
import { readFileIfAny } from '../../lib/files.ts';

/** An API key that the operator issued. */
export interface ApiKey {
  readonly name: string;
  /** The most that the key may spend within 24 h, lamports; null: as much as the gateway allows. */
  readonly dailyLimitLamports: bigint | null;
}

/** API keys, looked up by their digests; the keys themselves are not kept in memory. */
export interface KeyRing {
  find(secret: string): ApiKey | null;
  /** The daily limit of the key with this name. */
  limitOf(name: string): bigint | null;
  readonly size: number;
}

/** Shorter keys could be guessed. */
const minLength = 16;

/**
 * Reads a key file. Each line holds a key, its name (shown in logs and metrics) and its daily limit in lamports; `#`
 * starts a comment.
 * @throws QvacError E_CONFIG naming the line, or if other users can read the file
 */
export async function loadKeys(path: string): Promise<KeyRing> {
  const bytes = await readFileIfAny(path);
  if (bytes === null)
    throw new QvacError('E_CONFIG', `the key file ${path} does not exist`, {
      hint: 'name another file with --api-key-file',
    });
  const { mode } = await stat(path);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new QvacError('E_CONFIG', `${path} can be read by other users of this machine`, {
      hint: `chmod 600 ${path}`,
    });
  return parseKeys(fromUtf8(bytes), path);
}

export function parseKeys(text: string, path: string): KeyRing {
  const keys = new Map<string, ApiKey>();
  const limits = new Map<string, bigint | null>();
  for (const [at, line] of text.split('\n').entries()) {
    const [secret, name = `key ${keys.size + 1}`, limit, ...rest] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (secret === undefined || secret === '') continue;
    const refuse = (why: string): QvacError =>
      new QvacError('E_CONFIG', `${path}:${at + 1}: ${why}`, {
        hint: 'each line holds a key, a name and the lamports that it may spend a day',
      });
    if (secret.length < minLength) throw refuse(`a key needs at least ${minLength} characters`);
    if (rest.length > 0 || (limit !== undefined && !/^\d{1,15}$/.test(limit)))
      throw refuse('expected a key, a name and a whole number of lamports');
    if (keys.has(digest(secret))) throw refuse('the key is listed twice');
    if (limits.has(name)) throw refuse('the name is used twice');
    const dailyLimitLamports = limit === undefined ? null : BigInt(limit);
    keys.set(digest(secret), { name, dailyLimitLamports });
    limits.set(name, dailyLimitLamports);
  }
  if (keys.size === 0)
    throw new QvacError('E_CONFIG', `${path} holds no key`, {
      hint: 'each line holds a key, a name and the lamports that it may spend a day',
    });
  return {
    find: (secret) => keys.get(digest(secret)) ?? null,
    limitOf: (name) => limits.get(name) ?? null,
    size: keys.size,
  };
}

/** Looking up a digest reveals nothing about how close a guess was. */
function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
