import { randomBytes } from 'node:crypto';
import { chmod, type FileHandle, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { QvacError } from '../errors.ts';

/** Every file of qvac is for its owner alone. */
export const privateFileMode = 0o600;
const privateDirMode = 0o700;

const reasons: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  ENOSPC: ['the disk is full', 'free some space, or set QVAC_HOME to a folder on another disk'],
  EDQUOT: ['the disk quota is used up', 'free some space, or set QVAC_HOME to a folder on another disk'],
  EROFS: ['the file system is read-only', 'set QVAC_HOME to a folder that you can write to'],
  EACCES: ['permission denied', 'change its owner or mode, or set QVAC_HOME to a folder that you can write to'],
  EPERM: ['not permitted', 'change its owner or mode, or set QVAC_HOME to a folder that you can write to'],
  ENOTDIR: ['a part of the path is a file', 'set QVAC_HOME to a folder'],
  ENOENT: ['no such place', 'set QVAC_HOME to a folder that you can write to'],
  EISDIR: ['it is a folder', 'move it away'],
  EMFILE: ['too many open files', 'raise the limit: ulimit -n 4096'],
  ENAMETOOLONG: ['the path is too long', 'set QVAC_HOME to a shorter path'],
};

/** The code of a system error such as `ENOENT`, or undefined. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** True if the file does not exist, or cannot because a part of its path is a file. */
export function isMissing(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/**
 * A failed file operation as a QvacError E_HOME with the reason and a hint; other errors are returned unchanged.
 * @param action what failed, like "write /home/me/qvac/keys/client.key"
 */
export function fileError(error: unknown, action: string): unknown {
  const code = systemCode(error);
  if (code === undefined || error instanceof QvacError) return error;
  const [why, hint] = reasons[code] ?? [code, undefined];
  return new QvacError('E_HOME', `cannot ${action} (${why})`, { hint, cause: error });
}

/** Creates the folder and those above it, readable by the owner alone. @throws QvacError E_HOME */
export async function ensureDir(path: string): Promise<void> {
  try {
    await makeDir(path);
  } catch (error) {
    throw fileError(error, `create ${path}`);
  }
}

/** Node's own `recursive` never returns if an existing parent refuses children with ENOENT, as /proc does. */
async function makeDir(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: privateDirMode });
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EEXIST' || code === 'EROFS' || code === 'EACCES') {
      // The folder may exist, even if its parent is not writable; or a file is in its place.
      const facts = await stat(path).catch(() => null);
      if (facts?.isDirectory() === true) return;
      if (facts !== null)
        throw new QvacError('E_HOME', `cannot create ${path} (a file of that name is in the way)`, {
          hint: 'move it away, or set QVAC_HOME to a folder',
          cause: error,
        });
      throw error;
    }
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path) throw error;
    // Another process may have created the parent meanwhile.
    if ((await stat(parent).catch(() => null))?.isDirectory() !== true) await makeDir(parent);
    await mkdir(path, { mode: privateDirMode }).catch((second: unknown) => {
      // Another process created it meanwhile.
      if (systemCode(second) !== 'EEXIST') throw second;
    });
  }
}

/**
 * Replaces the whole file or leaves it unchanged: writes a temporary file beside it, syncs and renames it. Creates the
 * folder if needed.
 * @throws QvacError E_HOME if the disk is full, read-only or not writable for this user
 */
export async function writeFileAtomic(
  path: string,
  data: Uint8Array | string,
  options: { readonly mode?: number | undefined } = {},
): Promise<void> {
  const mode = options.mode ?? privateFileMode;
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await openNew(temporary, mode);
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    // The umask may have removed bits that the caller asked for.
    if ((mode & 0o077) !== 0) await chmod(temporary, mode);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw fileError(error, `write ${path}`);
  }
}

/** The folder is there as a rule, so it is created only if the file cannot be. */
async function openNew(path: string, mode: number): Promise<FileHandle> {
  try {
    return await open(path, 'wx', mode);
  } catch (error) {
    if (!isMissing(error)) throw error;
    await ensureDir(dirname(path));
    return open(path, 'wx', mode);
  }
}

/** The file's bytes, or null if it does not exist. @throws QvacError E_HOME if it cannot be read */
export async function readFileIfAny(path: string): Promise<Uint8Array | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw fileError(error, `read ${path}`);
  }
}

/**
 * The JSON value in the file, or undefined if it does not exist. The caller checks its shape; see also `JsonFile`.
 * @throws QvacError E_HOME if the file cannot be read or is not JSON
 */
export async function readJson(path: string): Promise<unknown> {
  const bytes = await readFileIfAny(path);
  if (bytes === null) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    throw new QvacError('E_HOME', `${path} is damaged (not JSON)`, {
      hint: 'move it away; a new one is made',
      cause: error,
    });
  }
}
