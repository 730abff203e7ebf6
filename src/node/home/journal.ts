import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { fileError, isMissing } from '../../lib/files.ts';
import { createJsonFile, type JsonFile, type JsonForm } from '../../lib/json-file.ts';
import type { Logger } from '../../lib/log.ts';
import type { JobId } from '../../lib/types.ts';

/** What a process must know of its jobs or channels after a crash: a file `<id>.json` (0600) for each, in a folder. */
export interface Journal<Entry, Id extends string = JobId> {
  /** Replaces an earlier entry; on disk, whole, when it resolves. @throws QvacError E_HOME */
  write(id: Id, entry: Entry): Promise<void>;
  /** Never throws. */
  remove(id: Id): Promise<void>;
  /** All well-formed entries; others are logged and stay. @throws QvacError E_HOME if the folder cannot be read */
  read(): Promise<ReadonlyMap<Id, Entry>>;
}

/** @param Id names of 64 hex digits */
export function createJournal<Entry, Id extends string = JobId>(
  dir: string,
  form: JsonForm<Entry>,
  logger: Logger,
): Journal<Entry, Id> {
  const files = new Map<string, JsonFile<Entry>>();
  // One for each job, since a file puts its own writes in order: an older entry must never replace a newer one.
  const fileOf = (id: string): JsonFile<Entry> => {
    const init = { what: 'the note of a payment', onDamaged: 'start-anew', logger, ...form } as const;
    const file = files.get(id) ?? createJsonFile(join(dir, `${id}.json`), init);
    files.set(id, file);
    return file;
  };
  return {
    write: (id, entry) => fileOf(id).write(entry),
    async remove(id) {
      const file = fileOf(id);
      await file
        .remove()
        .catch((error: unknown) => logger.warn('the note of a settled payment stays', { reason: messageOf(error) }));
      if (files.get(id) === file) files.delete(id);
    },
    async read() {
      const entries = new Map<Id, Entry>();
      for (const id of await idsIn(dir)) {
        const entry = await fileOf(id).read();
        if (entry !== null) entries.set(id as Id, entry);
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
