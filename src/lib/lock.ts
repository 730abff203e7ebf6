import { randomBytes } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { QvacError } from '../errors.ts';
import { ensureDir, fileError, privateFileMode, systemCode } from './files.ts';

/** Releases the lock. Idempotent, never throws. */
export type Release = () => Promise<void>;

/** The process that holds a lock: its id and its start, which tells it from a later process with the same id. */
interface Holder {
  readonly pid: number;
  /** Clock ticks from boot to its start (proc(5), field 22), or null if the system does not say. */
  readonly started: string | null;
}

/** What /proc says about a process; null on systems without it. */
async function statusOf(
  pid: number,
): Promise<{ /** One letter (proc(5), field 3). */ readonly state: string; readonly started: string | null } | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The command name in parentheses may itself contain spaces and parentheses; field 3 follows the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', started: fields[19] ?? null };
  } catch {
    return null;
  }
}

function parseHolder(text: string): Holder | null {
  const match = /^(\d{1,10}) (\d+|-)\n$/.exec(text);
  return match === null ? null : { pid: Number(match[1]), started: match[2] === '-' ? null : (match[2] ?? null) };
}

/** True if a process with this id runs and started at `started` (if both starts are known). */
export async function isRunning(pid: number, started: string | null): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (systemCode(error) !== 'EPERM') return false;
  }
  const now = await statusOf(pid);
  if (now === null) return true;
  // A process that has ended keeps its id until its parent reaps it, which may be never.
  if (now.state === 'Z' || now.state === 'X') return false;
  return started === null || now.started === null || started === now.started;
}

/** This process, for `isRunning`. */
export async function thisProcess(): Promise<{ readonly pid: number; readonly started: string | null }> {
  return { pid: process.pid, started: (await statusOf(process.pid))?.started ?? null };
}

/**
 * Removes a lock whose holder is gone. Only the process that holds the file `<path>.takeover` may, and it checks again
 * first: otherwise a process that checked earlier could remove a lock that another one has taken since.
 * @param mark path of a file that names this process
 */
async function removeStale(path: string, stale: string, mark: string): Promise<void> {
  const takeover = `${path}.takeover`;
  try {
    await link(mark, takeover);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    const other = parseHolder(await readFile(takeover, 'utf8').catch(() => ''));
    // Its holder died in the middle of a takeover.
    if (other !== null && !(await isRunning(other.pid, other.started))) await rm(takeover, { force: true });
    return;
  }
  try {
    if ((await readFile(path, 'utf8').catch(() => null)) === stale) await rm(path, { force: true });
  } finally {
    await rm(takeover, { force: true });
  }
}

/**
 * Acquires the lock file `path` for this process; takes over a lock whose process is gone.
 *
 * ```ts
 * const release = await acquireLock(`${keyPath}.lock`, 'the provider identity of this home');
 * ```
 * @param what names the thing in the error line
 * @throws QvacError E_LOCKED naming the process that holds it, E_HOME if the file cannot be written
 */
export async function acquireLock(path: string, what: string): Promise<Release> {
  await ensureDir(dirname(path));
  const { pid, started } = await thisProcess();
  const own = `${pid} ${started ?? '-'}\n`;
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, own, { flag: 'wx', mode: privateFileMode });
    // A link appears with its content or not at all, so that no process reads a half-written lock.
    for (let attempt = 0; attempt < 50; attempt++) {
      try {
        await link(temporary, path);
        return releaseOf(path, own);
      } catch (error) {
        if (systemCode(error) !== 'EEXIST') throw error;
      }
      const text = await readFile(path, 'utf8').catch(() => null);
      if (text === null) continue;
      const holder = parseHolder(text);
      if (holder !== null && (await isRunning(holder.pid, holder.started))) {
        throw new QvacError('E_LOCKED', `${what} is in use by another qvac (pid ${holder.pid})`, {
          hint: `stop it (kill ${holder.pid}), or use another home: QVAC_HOME=… qvac …`,
          details: { pid: holder.pid },
        });
      }
      await removeStale(path, text, temporary);
    }
    throw new QvacError('E_LOCKED', `${what} is in use by another qvac that starts at the same moment`, {
      hint: 'try again',
    });
  } catch (error) {
    throw fileError(error, `lock ${path}`);
  } finally {
    await rm(temporary, { force: true }).catch(() => undefined);
  }
}

function releaseOf(path: string, own: string): Release {
  let held = true;
  return async () => {
    if (!held) return;
    held = false;
    const text = await readFile(path, 'utf8').catch(() => null);
    if (text === own) await rm(path, { force: true }).catch(() => undefined);
  };
}
