import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { fileError, isMissing, readJson, writeFileAtomic } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';
import type { JobId } from '../../lib/types.ts';

/** What a process has to know of its jobs after a crash: a file `<jobId hex>.json` for each, 0600, in one folder. */
export interface Journal<Entry> {
  /** On disk, whole, when it resolves; over an earlier state. @throws QvacError E_HOME */
  write(id: JobId, entry: Entry): Promise<void>;
  /** Never throws. */
  remove(id: JobId): Promise<void>;
  /** All entries that can be read. @throws QvacError E_HOME where the folder cannot */
  read(): Promise<ReadonlyMap<JobId, Entry>>;
}

/** How an entry is kept. */
export interface JournalForm<Entry> {
  toJson(entry: Entry): unknown;
  /** Null where the value is none. */
  parse(value: unknown): Entry | null;
}

export function createJournal<Entry>(
  dir: string,
  { toJson, parse }: JournalForm<Entry>,
  logger: Logger,
): Journal<Entry> {
  const pathOf = (id: string): string => join(dir, `${id}.json`);
  async function entryAt(id: string): Promise<Entry | null> {
    try {
      const value = await readJson(pathOf(id));
      const entry = value === undefined ? null : parse(value);
      if (entry === null && value !== undefined)
        logger.warn('a file that is no note of a job is left alone', { path: pathOf(id) });
      return entry;
    } catch (error) {
      logger.warn('the note of a job cannot be read', {
        path: pathOf(id),
        reason: messageOf(error),
      });
      return null;
    }
  }
  return {
    write: (id, entry) => writeFileAtomic(pathOf(id), `${JSON.stringify(toJson(entry))}\n`),
    async remove(id) {
      await rm(pathOf(id), { force: true }).catch((error: unknown) =>
        logger.warn('the note of a settled job stays', { path: pathOf(id), reason: String(error) }),
      );
    },
    async read() {
      const entries = new Map<JobId, Entry>();
      for (const id of await idsIn(dir)) {
        const entry = await entryAt(id);
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
