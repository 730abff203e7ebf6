import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { concat, fromHex, readU64, toHex, u64 } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import { fileError, privateFileMode } from '../../../lib/files.ts';
import type { Logger } from '../../../lib/log.ts';
import type { JobId } from '../../../lib/types.ts';

const recordBytes = 40;

/** The offers that must not be admitted again (section 4: each `jobId` until its `expiresAt`). */
export interface SeenJobs {
  /** Adds an offer. After `seen` (a replay) or `full` (no room) the offer must not be admitted. */
  add(jobId: JobId, expiresAt: number): 'new' | 'seen' | 'full';
  close(): void;
}

export interface SeenJobsInit {
  /**
   * Journal that outlives the process. Without it, a client could replay an offer after a restart and obtain two
   * different final heads of one job. Null keeps the offers in memory only.
   */
  readonly file: string | null;
  /** Unexpired offers to keep. @default 100_000 */
  readonly max?: number | undefined;
}

/**
 * Keeps a journal of records `jobId(32) ‖ u64 expiresAt`; drops a last record that a crash cut short.
 * @throws QvacError E_HOME if the journal cannot be opened
 */
export function createSeenJobs(
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  { file, max = 100_000 }: SeenJobsInit,
): SeenJobs {
  const expiries = new Map<JobId, number>();
  let records = 0;
  let descriptor = file === null ? null : load(file);

  function load(path: string): number {
    try {
      closeSync(openSync(path, 'a', privateFileMode));
      const bytes = readFileSync(path);
      for (let at = 0; at + recordBytes <= bytes.length; at += recordBytes) {
        const expiresAt = Number(readU64(bytes.subarray(at + 32, at + 40)));
        if (expiresAt > clock.now()) expiries.set(toHex(bytes.subarray(at, at + 32)) as JobId, expiresAt);
      }
      return rewrite(path);
    } catch (error) {
      throw fileError(error, `open ${path}`);
    }
  }

  function record(jobId: JobId, expiresAt: number): Uint8Array {
    return concat(fromHex(jobId), u64(BigInt(expiresAt)));
  }

  /** Beside the old journal, which a crash leaves whole. @returns the descriptor of the new one */
  function rewrite(path: string): number {
    const temporary = `${path}.tmp`;
    rmSync(temporary, { force: true });
    const journal = openSync(temporary, 'wx', privateFileMode);
    try {
      const bytes = concat(...[...expiries].map(([jobId, expiresAt]) => record(jobId, expiresAt)));
      writeAll(journal, bytes, 0);
      fsyncSync(journal);
      renameSync(temporary, path);
    } catch (error) {
      closeSync(journal);
      throw error;
    }
    records = expiries.size;
    return journal;
  }

  function forgetExpired(): void {
    const now = clock.now();
    for (const [jobId, expiresAt] of expiries) if (expiresAt <= now) expiries.delete(jobId);
  }

  function remember(jobId: JobId, expiresAt: number): void {
    if (file === null || descriptor === null) return;
    try {
      if (records >= 1024 && records >= 2 * expiries.size) {
        const former = descriptor;
        descriptor = rewrite(file);
        closeSync(former);
        return;
      }
      // At its place: the next record overwrites what a full disk took of this one.
      writeAll(descriptor, record(jobId, expiresAt), recordBytes * records);
      records++;
    } catch (error) {
      logger.warn('a job could not be written to disk; its offer could be replayed after a restart', {
        error: String(error),
      });
    }
  }

  return {
    add(jobId, expiresAt) {
      const known = expiries.get(jobId);
      if (known !== undefined && known > clock.now()) return 'seen';
      if (expiries.size >= max || records >= 1024) forgetExpired();
      if (expiries.size >= max) return 'full';
      expiries.set(jobId, expiresAt);
      remember(jobId, expiresAt);
      return 'new';
    },
    close() {
      if (descriptor !== null) closeSync(descriptor);
    },
  };
}

/** @param position in the file */
function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at, bytes.length - at, position + at);
}
