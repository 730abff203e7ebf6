import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { fileError, isMissing } from '../../lib/files.ts';
import { createJsonFile, type JsonFile, type JsonForm } from '../../lib/json-file.ts';
import type { Logger } from '../../lib/log.ts';
import type { JobId } from '../../lib/types.ts';

/** What a process must know about its jobs after a crash: a file `<jobId hex>.json` for each, 0600, in one folder. */
export interface Journal<Entry> {
  /** Replaces an earlier entry; on disk, whole, when it resolves. @throws QvacError E_HOME */
  write(id: JobId, entry: Entry): Promise<void>;
  /** Never throws. */
  remove(id: JobId): Promise<void>;
  /** All well-formed entries; others are logged and stay. @throws QvacError E_HOME if the folder cannot be read */
  read(): Promise<ReadonlyMap<JobId, Entry>>;
}

export function createJournal<Entry>(dir: string, form: JsonForm<Entry>, logger: Logger): Journal<Entry> {
  const fileOf = (id: string): JsonFile<Entry> =>
    createJsonFile(join(dir, `${id}.json`), { what: 'the note of a job', onDamaged: 'start-anew', logger, ...form });
  return {
    write: (id, entry) => fileOf(id).write(entry),
    async remove(id) {
      await fileOf(id)
        .remove()
        .catch((error: unknown) => logger.warn('the note of a settled job stays', { reason: messageOf(error) }));
    },
    async read() {
      const entries = new Map<JobId, Entry>();
      for (const id of await idsIn(dir)) {
        const entry = await fileOf(id).read();
        if (entry !== null) entries.set(id as JobId, entry);
      }
      return entries;
    },
  };
}

async function idsIn(dir: string): Promise<readonly string[]> {
  try {
    return (await readdir(dir)).flatMap((name) => /^([0-9a-f]{64})\.json$/.exec(name)?.[1] ?? []);
  } catch (error) {
    if (isMissing(error)) return [];
    throw fileError(error, `read ${dir}`);
  }
}
