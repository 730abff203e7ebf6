import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { messageOf } from '../../../errors.ts';
import { concat, toHex } from '../../../lib/bytes.ts';
import type { Clock } from '../../../lib/clock.ts';
import { createJsonFile, type JsonFile, type JsonForm } from '../../../lib/json-file.ts';
import type { Logger } from '../../../lib/log.ts';
import type { JobId } from '../../../lib/types.ts';
import type { StepRecord } from '../../../proofs/record/step-record.ts';
import { sha256 } from '../../../protocol/digests.ts';
import { hex, natural } from '../../home/kept-values.ts';
import { createStepFiles } from '../payment/step-files.ts';

/** What a later process needs beside the steps to open a finished job (protocol section 4.3). */
export interface KeptOpening {
  readonly jobId: JobId;
  readonly client: Uint8Array;
  readonly commit: Uint8Array;
  readonly root: Uint8Array;
  /** A score job opens all of its steps. */
  readonly isScore: boolean;
  /** Tokens of the answer. */
  readonly n: number;
  /** Steps that a challenge opens. */
  readonly count: number;
  /** Unix milliseconds. */
  readonly keepUntil: number;
  /** Hex id of the payment with which the steps are kept; null: the job is free. */
  readonly payment: string | null;
}

/** What is kept of a finished job. */
export interface KeptFinished {
  readonly opening: KeptOpening;
  readonly record: StepRecord | null;
}

/** Finished jobs on disk, a note and a file of steps each, so that a restart or a full memory loses no opening. */
export interface KeptFiles {
  /**
   * Writes the note, and for a free job its steps, until it expires. Never rejects: a full disk must not cost a client
   * its answer.
   * @param stepsOf the job's steps; a paid job has kept them already
   * @returns whether they are on disk now
   */
  write(opening: KeptOpening, stepsOf: () => Uint8Array): Promise<boolean>;
  /** Null if there is none, or it expired. The steps are null if they are not there: an embedding job has none. */
  read(client: Uint8Array, commit: Uint8Array): Promise<KeptFinished | null>;
  /** Removes what expired. Never rejects. */
  clean(): Promise<void>;
  /** Waits for the writes under way. Never rejects. */
  flush(): Promise<void>;
}

export interface KeptFilesComponents {
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface KeptFilesInit {
  /** Folder of the notes. */
  readonly notes: string;
  /** Folder of the steps, which the payments share. */
  readonly steps: string;
  /** Disk space for the notes and the steps of free jobs, bytes; a job beyond it is not written. @default 2 GiB */
  readonly maxBytes?: number | undefined;
}

const suffix = '.json';
/** Estimated bytes on disk of a note, and of a folder and a file of steps beside the steps: each takes whole blocks. */
const jobBytes = 16 * 1024;

/** @param init null: nothing is kept */
export function createKeptFiles({ clock, logger }: KeptFilesComponents, init: KeptFilesInit | null): KeptFiles {
  if (init === null) return nothingKept;
  const { notes, maxBytes = 2 ** 31 } = init;
  const steps = createStepFiles(init.steps, logger);
  const fileAt = (path: string): JsonFile<KeptOpening> =>
    createJsonFile(path, { what: 'a finished job', onDamaged: 'start-anew', logger, ...keptForm });
  const warn = (error: unknown): void => logger.warn('a finished job was not kept', { reason: messageOf(error) });
  const writes = new Set<Promise<boolean>>();
  const sizes = new Map<JobId, number>();
  let usedBytes = 0;

  async function write(opening: KeptOpening, stepsOf: () => Uint8Array): Promise<boolean> {
    const { jobId, payment } = opening;
    const path = pathOf(notes, opening);
    try {
      const own = payment === null ? stepsOf() : new Uint8Array();
      const bytes = jobBytes + own.length;
      if (usedBytes + bytes > maxBytes) return false;
      count(opening, bytes);
      try {
        if (own.length > 0) await steps.append(jobId, jobId, own);
        await fileAt(path).write(opening);
      } finally {
        removeInTime(path, opening);
      }
      return true;
    } catch (error) {
      warn(error);
      return false;
    }
  }

  function count({ jobId }: KeptOpening, bytes: number): void {
    usedBytes += bytes - (sizes.get(jobId) ?? 0);
    sizes.set(jobId, bytes);
  }

  async function remove(path: string, opening: KeptOpening | null): Promise<void> {
    await rm(path, { force: true }).catch(warn);
    if (opening?.payment === null) await steps.remove(opening.jobId);
    if (opening === null) return;
    count(opening, 0);
    sizes.delete(opening.jobId);
  }

  function removeInTime(path: string, opening: KeptOpening): void {
    setTimeout(() => void remove(path, opening), opening.keepUntil - clock.now()).unref();
  }

  return {
    flush: async () => void (await Promise.all(writes)),
    async write(opening, stepsOf) {
      const writing = write(opening, stepsOf);
      writes.add(writing);
      return await writing.finally(() => writes.delete(writing));
    },
    async read(client, commit) {
      const opening = await fileAt(pathOf(notes, { client, commit })).read();
      if (opening === null || opening.keepUntil <= clock.now()) return null;
      const record = await steps.read(opening.payment ?? opening.jobId, opening.jobId, opening.n);
      return { opening, record };
    },
    async clean() {
      for (const name of await readdir(notes).catch(() => [])) {
        const path = join(notes, name);
        const isNote = name.endsWith(suffix);
        const opening = isNote
          ? await fileAt(path)
              .read()
              .catch(() => null)
          : null;
        if (opening === null || opening.keepUntil <= clock.now()) await remove(path, opening);
        else {
          const { jobId, payment } = opening;
          count(opening, jobBytes + (payment === null ? await steps.size(jobId, jobId) : 0));
          removeInTime(path, opening);
        }
      }
      await steps.clean(clock.now());
    },
  };
}

const nothingKept: KeptFiles = {
  write: async () => false,
  read: async () => null,
  clean: async () => undefined,
  flush: async () => undefined,
};

function pathOf(dir: string, { client, commit }: Pick<KeptOpening, 'client' | 'commit'>): string {
  return join(dir, `${toHex(sha256(concat(client, commit)))}${suffix}`);
}

const id = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const form = v.object({
  version: v.literal(1),
  jobId: id,
  client: hex(32),
  commit: hex(32),
  root: hex(32),
  isScore: v.boolean(),
  n: natural,
  count: natural,
  keepUntil: natural,
  payment: v.nullable(id),
});

const keptForm: JsonForm<KeptOpening> = {
  toJson({ client, commit, root, ...rest }) {
    return { version: 1, ...rest, client: toHex(client), commit: toHex(commit), root: toHex(root) };
  },
  parse(json) {
    const { success, output } = v.safeParse(form, json);
    if (!success) return null;
    const { version: _version, jobId, ...rest } = output;
    return { ...rest, jobId: jobId as JobId };
  },
};
