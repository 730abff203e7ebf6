import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { fileError, isMissing } from '../../lib/files.ts';
import { createJsonFile, type JsonForm } from '../../lib/json-file.ts';
import type { Logger } from '../../lib/log.ts';
import { createSlotFile, type SlotFile } from '../../lib/slot-file.ts';
import type { JobId } from '../../lib/types.ts';

/** What a process must know of its jobs or channels after a crash: a file (0600) for each, in a folder. */
export interface Journal<Entry, Id extends string = JobId> {
  /** Replaces an earlier entry; on disk, whole, when it resolves. @throws QvacError E_HOME */
  write(id: Id, entry: Entry): Promise<void>;
  /** Never throws. */
  remove(id: Id): Promise<void>;
  /** All well-formed entries; others are logged and stay. @throws QvacError E_HOME if the folder cannot be read */
  read(): Promise<ReadonlyMap<Id, Entry>>;
}

/** How an entry lies in its file, by the suffix of the file's name: `slots` for one that changes often (`SlotFile`). */
const formats = { json: createJsonFile, slots: createSlotFile } as const;

export interface JournalInit {
  /** @default json */
  readonly format?: keyof typeof formats | undefined;
}

/** @param Id names of 64 hex digits */
export function createJournal<Entry, Id extends string = JobId>(
  dir: string,
  form: JsonForm<Entry>,
  logger: Logger,
  { format = 'json' }: JournalInit = {},
): Journal<Entry, Id> {
  const files = new Map<string, SlotFile<Entry>>();
  // One for each job, since a file puts its own writes in order: an older entry must never replace a newer one.
  const fileOf = (id: string): SlotFile<Entry> => {
    const init = { what: 'the note of a payment', onDamaged: 'start-anew', logger, ...form } as const;
    const file = files.get(id) ?? formats[format](join(dir, `${id}.${format}`), init);
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
      for (const id of await idsIn(dir, format)) {
        const entry = await fileOf(id).read();
        if (entry !== null) entries.set(id as Id, entry);
      }
      return entries;
    },
  };
}

async function idsIn(dir: string, suffix: string): Promise<readonly string[]> {
  try {
    const names = (await readdir(dir)).filter((name) => name.endsWith(`.${suffix}`));
    return names.map((name) => name.slice(0, -suffix.length - 1)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  } catch (error) {
    if (isMissing(error)) return [];
    throw fileError(error, `read ${dir}`);
  }
}
