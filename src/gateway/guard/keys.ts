import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { QvacError } from '../../errors.ts';
import { fromUtf8 } from '../../lib/bytes.ts';
import { readFileIfAny } from '../../lib/files.ts';

/** A key that the operator gave to somebody. */
export interface ApiKey {
  readonly name: string;
  /** Most lamports that it may spend in a day (UTC), null: as much as the gateway. */
  readonly dailyLimit: number | null;
}

/** The keys of a file, found by their digests: the keys themselves are not kept. */
export interface KeyRing {
  find(secret: string): ApiKey | null;
  readonly size: number;
}

/** Shorter ones can be guessed. */
const minLength = 16;

/**
 * Reads a file of keys: a line each with the key, its name (what logs and metrics show), and the lamports it may spend
 * a
 * day; `#` begins a comment.
 * @throws QvacError E_CONFIG naming the line, or where others can read the file
 */
export async function loadKeys(path: string): Promise<KeyRing> {
  const bytes = await readFileIfAny(path);
  if (bytes === null)
    throw new QvacError('E_CONFIG', `there is no file of keys at ${path}`, { hint: '--api-key-file names one' });
  const { mode } = await stat(path);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new QvacError('E_CONFIG', `${path} can be read by other users of this machine`, {
      hint: `chmod 600 ${path}`,
    });
  return parseKeys(fromUtf8(bytes), path);
}

export function parseKeys(text: string, path: string): KeyRing {
  const keys = new Map<string, ApiKey>();
  for (const [at, line] of text.split('\n').entries()) {
    const [secret, name = `key ${keys.size + 1}`, limit, ...rest] = line.replace(/#.*/, '').trim().split(/\s+/);
    if (secret === undefined || secret === '') continue;
    const refuse = (why: string): QvacError =>
      new QvacError('E_CONFIG', `${path}:${at + 1}: ${why}`, { hint: 'a line holds: key, name, lamports a day' });
    if (secret.length < minLength) throw refuse(`a key needs at least ${minLength} characters`);
    if (rest.length > 0 || (limit !== undefined && !/^\d{1,15}$/.test(limit)))
      throw refuse('expected a key, a name and a whole number of lamports');
    if (keys.has(digest(secret))) throw refuse('the key is there twice');
    keys.set(digest(secret), { name, dailyLimit: limit === undefined ? null : Number(limit) });
  }
  if (keys.size === 0)
    throw new QvacError('E_CONFIG', `there is no key in ${path}`, { hint: 'a line holds: key, name, lamports a day' });
  return { find: (secret) => keys.get(digest(secret)) ?? null, size: keys.size };
}

/** Looking a digest up tells nothing of how near a guess was. */
function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
