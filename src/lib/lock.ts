import { randomBytes } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { QvacError } from '../errors.ts';
import { ensureDir, fileError, privateFileMode, systemCode } from './files.ts';

/** Gives the lock back. Idempotent; never throws. */
export type Release = () => Promise<void>;

/**
 * Who holds a lock: the process id, and when that process began, so that a later process of the same id is not taken
 * for it.
 */
interface Holder {
  readonly pid: number;
  /** Clock ticks since boot (proc(5), field 22), or null where the system does not say. */
  readonly started: string | null;
}

/** What the system says of a process; null where it does not say. */
async function statusOf(
  pid: number,
): Promise<{ /** One letter (proc(5), field 3). */ readonly state: string; readonly started: string | null } | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The command name in parentheses may itself hold blanks and parentheses; field 3 follows the last one.
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

/** True where a process with this id runs now, and is the one that began at `started` (if both are known). */
export async function isRunning(pid: number, started: string | null): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (systemCode(error) !== 'EPERM') return false;
  }
  const now = await statusOf(pid);
  if (now === null) return true;
  // One that has ended keeps its id until its parent looks, which may be never.
  if (now.state === 'Z' || now.state === 'X') return false;
  return started === null || now.started === null || started === now.started;
}

/** This process as `isRunning` takes it. */
export async function thisProcess(): Promise<{ readonly pid: number; readonly started: string | null }> {
  return { pid: process.pid, started: (await statusOf(process.pid))?.started ?? null };
}

/**
 * Removes a lock whose holder is gone. Only who has the file `<path>.takeover` may, and looks again before: else one
 * that
 * looked earlier could remove the lock that another has taken since. `mark` is a file that says who asks.
 */
async function removeStale(path: string, stale: string, mark: string): Promise<void> {
  const takeover = `${path}.takeover`;
  try {
    await link(mark, takeover);
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error;
    const other = parseHolder(await readFile(takeover, 'utf8').catch(() => ''));
    // One that died in the middle of this.
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
 * Takes the lock file `path` for this process. A lock whose process is gone is taken over.
 *
 * ```ts
 * const release = await acquireLock(`${keyPath}.lock`, 'the provider identity of this home');
 * ```
 * @param what names the thing in the error line
 * @throws QvacError E_LOCKED naming the process that holds it, E_HOME where the file cannot be written
 */
export async function acquireLock(path: string, what: string): Promise<Release> {
  await ensureDir(dirname(path));
  const { pid, started } = await thisProcess();
  const own = `${pid} ${started ?? '-'}\n`;
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeFile(temporary, own, { flag: 'wx', mode: privateFileMode });
    // A link appears with its content or not at all, so that nobody reads a half-written lock.
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
