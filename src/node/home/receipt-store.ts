import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { QvacError } from '../../errors.ts';
import { fileError, isMissing, readFileIfAny, writeFileAtomic } from '../../lib/files.ts';
import type { JobId } from '../../lib/types.ts';
import { parseReceipt, type Receipt, serialiseReceipt } from '../../proofs/receipt.ts';
import { MalformedError } from '../../protocol/codec.ts';
import { jobIdOf } from '../../protocol/digests.ts';

/** A receipt's file, not read yet. */
export interface ReceiptEntry {
  readonly id: JobId;
  readonly path: string;
  /** Unix milliseconds of the last write other than by `settle`. */
  readonly savedAt: number;
  readonly bytes: number;
}

export interface StoredReceipt extends ReceiptEntry {
  readonly receipt: Receipt;
}

/** Receipts as files `<jobId hex>.json`, 0600, in one folder. */
export interface ReceiptStore {
  /** Writes the receipt under its job's id; replaces an earlier state of it. @throws QvacError E_HOME */
  save(receipt: Receipt): Promise<JobId>;
  /**
   * Updates the settlement in the job's receipt, and nothing else in it. Does nothing without a receipt.
   * @throws QvacError E_HOME, E_MALFORMED_RECEIPT if its file is damaged
   */
  settle(id: JobId, settlement: NonNullable<Receipt['settlement']>): Promise<void>;
  /** Newest first. */
  list(): Promise<readonly ReceiptEntry[]>;
  /** Removes the job's receipt. Does nothing without one. @throws QvacError E_HOME */
  remove(id: JobId): Promise<void>;
  /**
   * The receipt whose id begins with `prefix`.
   * @throws QvacError E_NOT_FOUND for none, E_USAGE for several, E_MALFORMED_RECEIPT if its file is damaged
   */
  get(prefix: string): Promise<StoredReceipt>;
}

export function createReceiptStore(dir: string): ReceiptStore {
  return {
    async save(receipt) {
      const id = jobIdOf(receipt.offer.body);
      await writeFileAtomic(join(dir, `${id}.json`), serialiseReceipt(receipt));
      return id;
    },
    async settle(id, settlement) {
      const path = join(dir, `${id}.json`);
      const [entry, bytes] = await Promise.all([entryOf(dir, id), readFileIfAny(path)]);
      if (entry === null || bytes === null) return;
      const receipt = readReceipt(bytes, path);
      if (JSON.stringify(receipt.settlement) === JSON.stringify(settlement)) return;
      await writeFileAtomic(path, serialiseReceipt({ ...receipt, settlement }));
      // A settlement does not make the answer younger.
      await utimes(path, entry.savedAt / 1_000, entry.savedAt / 1_000).catch(() => undefined);
    },
    async list() {
      const entries = await Promise.all((await idsIn(dir)).map((id) => entryOf(dir, id)));
      return entries.filter((entry) => entry !== null).sort((a, b) => b.savedAt - a.savedAt || (a.id < b.id ? -1 : 1));
    },
    async remove(id) {
      const path = join(dir, `${id}.json`);
      await rm(path, { force: true }).catch((error: unknown) => {
        throw fileError(error, `remove ${path}`);
      });
    },
    async get(prefix) {
      const id = choose(prefix, await idsIn(dir));
      const entry = await entryOf(dir, id);
      const bytes = await readFileIfAny(join(dir, `${id}.json`));
      if (entry === null || bytes === null) throw notFound(prefix);
      return { ...entry, receipt: readReceipt(bytes, entry.path) };
    },
  };
}

/** The receipt in a file's `bytes`. @throws QvacError E_MALFORMED_RECEIPT naming `path` */
export function readReceipt(bytes: Uint8Array, path: string): Receipt {
  try {
    return parseReceipt(bytes);
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new QvacError('E_MALFORMED_RECEIPT', `${path} is not a receipt (${error.message})`, { cause: error });
  }
}

function choose(prefix: string, ids: readonly JobId[]): JobId {
  const wanted = prefix.toLowerCase();
  const found = /^[0-9a-f]{1,64}$/.test(wanted) ? ids.filter((id) => id.startsWith(wanted)) : [];
  const [first, second] = found;
  if (first === undefined) throw notFound(prefix);
  if (second !== undefined)
    throw new QvacError('E_USAGE', `${found.length} receipts begin with ${prefix}`, {
      hint: `type more characters: ${first.slice(0, prefix.length + 4)}…, ${second.slice(0, prefix.length + 4)}…`,
    });
  return first;
}

function notFound(prefix: string): QvacError {
  return new QvacError('E_NOT_FOUND', `no receipt here begins with "${prefix}"`, { hint: 'qvac receipts ls' });
}

async function idsIn(dir: string): Promise<readonly JobId[]> {
  try {
    return (await readdir(dir)).flatMap((name) => {
      const id = /^([0-9a-f]{64})\.json$/.exec(name)?.[1];
      return id === undefined ? [] : [id as JobId];
    });
  } catch (error) {
    if (isMissing(error)) return [];
    throw fileError(error, `read ${dir}`);
  }
}

async function entryOf(dir: string, id: JobId): Promise<ReceiptEntry | null> {
  const path = join(dir, `${id}.json`);
  try {
    const { mtimeMs, size } = await stat(path);
    return { id, path, savedAt: Math.round(mtimeMs), bytes: size };
  } catch (error) {
    if (isMissing(error)) return null;
    throw fileError(error, `read ${path}`);
  }
}
