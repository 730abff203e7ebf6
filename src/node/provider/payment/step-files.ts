import { appendFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../errors.ts';
import { ensureDir, fileError, isMissing, privateFileMode, readFileIfAny } from '../../../lib/files.ts';
import type { Logger } from '../../../lib/log.ts';
import type { JobId } from '../../../lib/types.ts';
import { decodeKeptSteps } from '../../../proofs/record/kept-steps.ts';
import type { StepRecord } from '../../../proofs/record/step-record.ts';

/**
 * What opens answers, on disk as long as a client or the chain can ask for it: a provider that is restarted between a
 * paid answer and its challenge would lose its stake without it. One folder for each payment (a channel, or a job by
 * itself), one file for each answer.
 */
export interface StepFiles {
  /**
   * Appends steps; written when it resolves.
   * @param payment hex id of the channel or job
   * @throws QvacError E_HOME
   */
  append(payment: string, jobId: JobId, steps: Uint8Array): Promise<void>;
  /** The record over the first `n` steps of an answer; null if fewer are kept. @throws QvacError E_HOME */
  read(payment: string, jobId: JobId, n: number): Promise<StepRecord | null>;
  /** Bytes of what is kept of an answer; 0 without it. */
  size(payment: string, jobId: JobId): Promise<number>;
  /** The payment has ended: nothing of it can be challenged any more. Never throws. */
  remove(payment: string): Promise<void>;
  /**
   * Removes the folders that no payment can need any more: a process was killed before it removed them. Never throws.
   * @param now unix ms
   */
  clean(now: number): Promise<void>;
}

/** Longer than any payment: a day, time to object, and the time for challenges. */
const longestPaymentMs = 7 * 86_400_000;

export function createStepFiles(dir: string, logger: Logger): StepFiles {
  const files: StepFiles = {
    async append(payment, jobId, steps) {
      const path = join(dir, payment, `${jobId}.steps`);
      // Not synced: a killed process loses nothing, and a sync for each head would hold up the answer.
      const write = (): Promise<void> => appendFile(path, steps, { mode: privateFileMode });
      try {
        await write().catch(async (error: unknown) => {
          if (!isMissing(error)) throw error;
          await ensureDir(join(dir, payment));
          await write();
        });
      } catch (error) {
        throw fileError(error, `write ${path}`);
      }
    },
    async read(payment, jobId, n) {
      const bytes = await readFileIfAny(join(dir, payment, `${jobId}.steps`));
      return bytes === null ? null : decodeKeptSteps(bytes, n);
    },
    async size(payment, jobId) {
      const file = await stat(join(dir, payment, `${jobId}.steps`)).catch(() => null);
      return file?.size ?? 0;
    },
    async remove(payment) {
      await rm(join(dir, payment), { recursive: true, force: true }).catch((error: unknown) =>
        logger.warn('the steps of settled answers stay on disk', { payment, reason: messageOf(error) }),
      );
    },
    async clean(now) {
      for (const name of await readdir(dir).catch(() => [])) {
        const changed = await stat(join(dir, name)).catch(() => null);
        if (changed !== null && changed.mtimeMs < now - longestPaymentMs) await files.remove(name);
      }
    },
  };
  return files;
}
