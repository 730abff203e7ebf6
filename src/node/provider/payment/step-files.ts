import { appendFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../../errors.ts';
import { ensureDir, fileError, isMissing, privateFileMode, readFileIfAny } from '../../../lib/files.ts';
import type { Logger } from '../../../lib/log.ts';
import type { JobId } from '../../../lib/types.ts';
import { decodeKeptSteps } from '../../../proofs/record/kept-steps.ts';
import type { StepRecord } from '../../../proofs/record/step-record.ts';

/**
 * What opens paid answers, on disk as long as the chain can ask for it: a process that is restarted between an answer
 * and its challenge would lose its stake without it. One folder for each payment (a channel, or a job with an account
 * of its own), one file for each answer.
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
  /** The payment has ended: nothing of it can be challenged any more. Never throws. */
  remove(payment: string): Promise<void>;
  /** Hex ids of the payments of which something is kept. @throws QvacError E_HOME */
  list(): Promise<readonly string[]>;
}

export function createStepFiles(dir: string, logger: Logger): StepFiles {
  const folders = new Set<string>();
  return {
    async append(payment, jobId, steps) {
      const path = join(dir, payment, `${jobId}.steps`);
      try {
        if (!folders.has(payment)) await ensureDir(join(dir, payment));
        folders.add(payment);
        // Not synced: a killed process loses nothing, and a sync for each head would hold up the answer.
        await appendFile(path, steps, { mode: privateFileMode });
      } catch (error) {
        folders.delete(payment);
        throw fileError(error, `write ${path}`);
      }
    },
    async read(payment, jobId, n) {
      const bytes = await readFileIfAny(join(dir, payment, `${jobId}.steps`));
      return bytes === null ? null : decodeKeptSteps(bytes, n);
    },
    async remove(payment) {
      folders.delete(payment);
      await rm(join(dir, payment), { recursive: true, force: true }).catch((error: unknown) =>
        logger.warn('the steps of settled answers stay on disk', { payment, reason: messageOf(error) }),
      );
    },
    async list() {
      try {
        return (await readdir(dir)).filter((name) => /^[0-9a-f]{64}$/.test(name));
      } catch (error) {
        if (isMissing(error)) return [];
        throw fileError(error, `read ${dir}`);
      }
    },
  };
}
