import { appendFile, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { QvacError } from '../../errors.ts';
import { ensureDir, fileError, isMissing, writeFileAtomic } from '../../lib/files.ts';
import type { StepMeasures } from './answers/measure.ts';
import type { CaseName, TaskName } from './answers/tasks.ts';
import type { LabFacts } from './labs/lab.ts';

/** What the figures are made of, one line of JSON for each task, so that a run that was stopped can go on. */

export interface JournalHead {
  readonly version: 1;
  readonly dear: ModelLabel;
  readonly cheap: ModelLabel | null;
  /** By the numbers that records use. */
  readonly labs: readonly LabFacts[];
}

export interface ModelLabel {
  readonly id: string;
  readonly name: string;
  readonly quant: string;
}

/** One answer as one class found it. */
export interface Record extends StepMeasures {
  readonly name: CaseName;
  /** Number of the class that recomputed it. */
  readonly verifier: number;
}

export interface JournalEntry {
  readonly task: TaskName;
  readonly number: number;
  /** Hundredths. */
  readonly temperature: number;
  /** Number of the class that answered. */
  readonly provider: number;
  readonly records: readonly Record[];
}

export interface Journal {
  readonly entries: readonly JournalEntry[];
  has(task: TaskName, number: number): boolean;
  /** On disk when it resolves. @throws QvacError E_HOME */
  add(entry: JournalEntry): Promise<void>;
}

/**
 * The journal at `path`, new or continued. A last line that was cut off counts as not written.
 * @throws QvacError E_USAGE for the journal of other models or classes
 */
export async function openJournal(path: string, head: JournalHead): Promise<Journal> {
  await ensureDir(dirname(path));
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return '';
    throw fileError(error, `read ${path}`);
  });
  const lines = text.split('\n').slice(0, -1);
  const [first, ...rest] = lines;
  const isCut = text !== '' && !text.endsWith('\n');
  const keyOf = ({ task, number }: JournalEntry): string => `${task} ${number}`;
  // Two runs at once may have written the same task: the first counts.
  const found = new Map<string, JournalEntry>();
  for (const entry of rest.flatMap((line) => entryOf(line) ?? []))
    if (!found.has(keyOf(entry))) found.set(keyOf(entry), entry);
  const entries = [...found.values()];
  const append = async (line: string): Promise<void> => {
    await appendFile(path, line).catch((error: unknown) => {
      throw fileError(error, `write ${path}`);
    });
  };
  if (first === undefined) await writeFileAtomic(path, `${JSON.stringify(head)}\n`);
  else if (first !== JSON.stringify(head)) throw otherRun(path);
  else if (isCut) await append('\n');
  const known = new Set(found.keys());
  return {
    entries,
    has: (task, number) => known.has(`${task} ${number}`),
    async add(entry) {
      await append(`${JSON.stringify(entry)}\n`);
      entries.push(entry);
      known.add(keyOf(entry));
    },
  };
}

function otherRun(path: string): QvacError {
  return new QvacError('E_USAGE', `${path} is the journal of other models or of another machine`, {
    hint: 'choose another folder with --out, or move it away',
  });
}

/** Null for a line that was cut off. */
function entryOf(line: string): JournalEntry | null {
  try {
    return JSON.parse(line) as JournalEntry;
  } catch {
    return null;
  }
}
