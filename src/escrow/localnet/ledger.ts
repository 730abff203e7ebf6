import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { QvacError } from '../../errors.ts';
import { ensureDir, fileError, privateFileMode, systemCode } from '../../lib/files.ts';

// The chain on disk: one file to which every transaction is appended with the accounts that it changed, before anybody is
// told of it. A process that is killed leaves at most a half-written last line, which nobody was told of.

const amount = v.pipe(v.string(), v.regex(/^\d{1,20}$/));

const accountSchema = v.object({ lamports: amount, owner: v.string(), executable: v.boolean(), /** base64 */ data: v.string() });
const transactionSchema = v.object({
  /** base58 */
  signature: v.string(),
  slot: v.number(),
  /** Unix seconds. */
  time: v.number(),
  /** As the JSON-RPC shows it; null where it succeeded. */
  err: v.unknown(),
  logs: v.array(v.string()),
  fee: v.number(),
  units: v.number(),
  /** The signed transaction in base64, or null for lamports that the chain gave away. */
  raw: v.nullable(v.string()),
  keys: v.array(v.string()),
  pre: v.array(amount),
  post: v.array(amount),
});
const entrySchema = v.object({
  /** The chain's time in unix milliseconds. */
  time: v.number(),
  /** What was added to the machine's time by then, in ms. */
  ahead: v.number(),
  /** By address; null for what is gone. */
  accounts: v.record(v.string(), v.nullable(accountSchema)),
  transaction: v.nullable(transactionSchema),
});
const headerSchema = v.object({ version: v.literal(1), /** base58 */ genesis: v.string(), /** Unix milliseconds. */ startedAt: v.number() });

export type StoredAccount = v.InferOutput<typeof accountSchema>;
export type StoredTransaction = v.InferOutput<typeof transactionSchema>;
export type LedgerEntry = v.InferOutput<typeof entrySchema>;
export type LedgerHeader = v.InferOutput<typeof headerSchema>;

/** What a ledger says once it is read. */
export interface LedgerState {
  readonly header: LedgerHeader;
  readonly accounts: ReadonlyMap<string, StoredAccount>;
  /** Oldest first. */
  readonly transactions: readonly StoredTransaction[];
  readonly time: number;
  readonly ahead: number;
}

export interface Ledger {
  readonly state: LedgerState;
  append(entry: LedgerEntry): void;
  close(): void;
}

/** Above so many bytes the file is written anew when it is opened, with the accounts and the latest transactions. */
const compactAboveBytes = 16 * 1024 * 1024;
const keptTransactions = 2_000;

/**
 * Opens the ledger at `path`, or begins it with `header`. Only one process may have it open.
 * @throws QvacError E_HOME where it cannot be read or written, or is no ledger
 */
export async function openLedger(path: string, header: LedgerHeader): Promise<Ledger> {
  await ensureDir(dirname(path));
  try {
    let text = readText(path);
    if (text === null) {
      rewrite(path, [JSON.stringify(header)]);
      text = readFileSync(path, 'utf8');
    }
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const state = readLedger(path, whole);
    if (text.length > compactAboveBytes) rewrite(path, compacted(state));
    const file = openSync(path, 'r+');
    if (text.length <= compactAboveBytes) ftruncateSync(file, Buffer.byteLength(whole));
    return appendTo(file, state, path);
  } catch (error) {
    throw fileError(error, `open ${path}`);
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

function readLedger(path: string, text: string): LedgerState {
  const lines = text.split('\n').slice(0, -1);
  const damaged = (at: number, cause?: unknown): QvacError =>
    new QvacError('E_HOME', `${path}:${at + 1} is damaged`, { hint: 'move the file away; a new chain begins then, without the money on this one', cause });
  const parse = <Schema extends v.GenericSchema>(schema: Schema, at: number): v.InferOutput<Schema> => {
    try {
      return v.parse(schema, JSON.parse(lines[at] ?? ''));
    } catch (error) {
      throw damaged(at, error);
    }
  };
  const header = parse(headerSchema, 0);
  const accounts = new Map<string, StoredAccount>();
  const transactions: StoredTransaction[] = [];
  let [time, ahead] = [header.startedAt, 0];
  for (let at = 1; at < lines.length; at++) {
    const entry = parse(entrySchema, at);
    for (const [address, account] of Object.entries(entry.accounts)) {
      if (account === null) accounts.delete(address);
      else accounts.set(address, account);
    }
    if (entry.transaction !== null) transactions.push(entry.transaction);
    ({ time, ahead } = entry);
  }
  return { header, accounts, transactions: transactions.slice(-keptTransactions), time, ahead };
}

function compacted({ header, accounts, transactions, time, ahead }: LedgerState): readonly string[] {
  const first: LedgerEntry = { time, ahead, accounts: Object.fromEntries(accounts), transaction: null };
  const rest = transactions.map((transaction): LedgerEntry => ({ time, ahead, accounts: {}, transaction }));
  return [header, first, ...rest].map((line) => JSON.stringify(line));
}

function rewrite(path: string, lines: readonly string[]): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, 'w', privateFileMode);
  try {
    writeWhole(file, `${lines.join('\n')}\n`, 0);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

/** Returns where the file ends then. */
function writeWhole(file: number, text: string, position: number): number {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, position + at);
  return position + bytes.length;
}

function appendTo(file: number, state: LedgerState, path: string): Ledger {
  let end = Buffer.byteLength(readFileSync(path));
  let open = true;
  return {
    state,
    append(entry) {
      try {
        end = writeWhole(file, `${JSON.stringify(entry)}\n`, end);
      } catch (error) {
        throw fileError(error, `write ${path}`);
      }
    },
    close() {
      if (open) closeSync(file);
      open = false;
    },
  };
}
