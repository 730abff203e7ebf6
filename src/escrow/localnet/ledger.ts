import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { QvacError } from '../../errors.ts';
import { ensureDir, fileError, privateFileMode, systemCode } from '../../lib/files.ts';

// The chain on disk: one file to which every transaction is appended with the accounts that it changed, before anybody
// is
// told of it. A process that is killed leaves at most a half-written last line, which nobody was told of.

const amount = v.pipe(v.string(), v.regex(/^\d{1,20}$/));

const accountSchema = v.object({
  lamports: amount,
  owner: v.string(),
  executable: v.boolean(),
  /** base64 */ data: v.string(),
});
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
const headerSchema = v.object({
  version: v.literal(1),
  /** base58 */ genesis: v.string(),
  /** Unix milliseconds. */ startedAt: v.number(),
});

export type StoredAccount = v.InferOutput<typeof accountSchema>;
export type StoredTransaction = v.InferOutput<typeof transactionSchema>;
export type LedgerEntry = v.InferOutput<typeof entrySchema>;
export type LedgerHeader = v.InferOutput<typeof headerSchema>;

/** What a ledger says, up to now. */
export interface LedgerState {
  readonly header: LedgerHeader;
  readonly accounts: ReadonlyMap<string, StoredAccount>;
  /** The latest ones by signature, oldest first. */
  readonly transactions: ReadonlyMap<string, StoredTransaction>;
  readonly time: number;
  readonly ahead: number;
}

export interface Ledger {
  readonly state: LedgerState;
  /** Writes the entry, and returns when the system has it. @throws QvacError E_HOME */
  append(entry: LedgerEntry): void;
  close(): void;
}

export interface LedgerLimits {
  /**
   * The file is written anew, with the accounts and the latest transactions, when it has grown by so much. @default 16
   * MiB
   */
  readonly compactAfterBytes?: number;
  /** Transactions that can be found again. @default 5,000 */
  readonly keptTransactions?: number;
}

/**
 * Opens the ledger at `path`, or begins it with `header`. Only one process may have it open.
 * @throws QvacError E_HOME where it cannot be read or written, or is no ledger
 */
export async function openLedger(
  path: string,
  header: LedgerHeader,
  { compactAfterBytes = 16 * 1024 * 1024, keptTransactions = 5_000 }: LedgerLimits = {},
): Promise<Ledger> {
  await ensureDir(dirname(path));
  try {
    return new FileLedger(path, header, compactAfterBytes, keptTransactions);
  } catch (error) {
    throw fileError(error, `open ${path}`);
  }
}

class FileLedger implements Ledger {
  readonly #path: string;
  readonly #compactAfterBytes: number;
  readonly #keptTransactions: number;
  readonly #accounts = new Map<string, StoredAccount>();
  readonly #transactions = new Map<string, StoredTransaction>();
  readonly #header: LedgerHeader;
  #time: number;
  #ahead = 0;
  #file: number | null = null;
  /** Where the next entry goes, and where the file ended when it was last written anew. */
  #end = 0;
  #compactedEnd = 0;

  constructor(path: string, header: LedgerHeader, compactAfterBytes: number, keptTransactions: number) {
    this.#path = path;
    this.#compactAfterBytes = compactAfterBytes;
    this.#keptTransactions = keptTransactions;
    const lines = readLines(path);
    this.#header = lines === null ? header : parseLine(headerSchema, path, lines, 0);
    this.#time = this.#header.startedAt;
    for (let at = 1; at < (lines?.length ?? 0); at++) this.#apply(parseLine(entrySchema, path, lines ?? [], at));
    this.#rewrite();
  }

  get state(): LedgerState {
    return {
      header: this.#header,
      accounts: this.#accounts,
      transactions: this.#transactions,
      time: this.#time,
      ahead: this.#ahead,
    };
  }

  append(entry: LedgerEntry): void {
    if (this.#file === null) throw new Error('the ledger is closed');
    try {
      this.#end = writeWhole(this.#file, `${JSON.stringify(entry)}\n`, this.#end);
      this.#apply(entry);
    } catch (error) {
      throw fileError(error, `write ${this.#path}`);
    }
    if (this.#end - this.#compactedEnd > this.#compactAfterBytes) this.#compact();
  }

  /** Where it fails the old file is as good as it was. */
  #compact(): void {
    try {
      this.#rewrite();
    } catch {
      this.#compactedEnd = this.#end;
    }
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #apply({ accounts, transaction, time, ahead }: LedgerEntry): void {
    for (const [address, account] of Object.entries(accounts)) {
      if (account === null) this.#accounts.delete(address);
      else this.#accounts.set(address, account);
    }
    if (transaction !== null) this.#transactions.set(transaction.signature, transaction);
    const [oldest] = this.#transactions.keys();
    if (oldest !== undefined && this.#transactions.size > this.#keptTransactions) this.#transactions.delete(oldest);
    [this.#time, this.#ahead] = [time, ahead];
  }

  /** Puts a file of what counts in the place of the old one, which stays where this is interrupted. */
  #rewrite(): void {
    const [time, ahead] = [this.#time, this.#ahead];
    const now: LedgerEntry = { time, ahead, accounts: Object.fromEntries(this.#accounts), transaction: null };
    const past = [...this.#transactions.values()].map(
      (transaction): LedgerEntry => ({ time, ahead, accounts: {}, transaction }),
    );
    const temporary = `${this.#path}.new`;
    const file = openSync(temporary, 'w', privateFileMode);
    try {
      const end = writeWhole(file, [this.#header, now, ...past].map((line) => `${JSON.stringify(line)}\n`).join(''), 0);
      fsyncSync(file);
      renameSync(temporary, this.#path);
      this.close();
      [this.#file, this.#end, this.#compactedEnd] = [file, end, end];
    } catch (error) {
      closeSync(file);
      throw error;
    }
  }
}

/** The whole lines of the file, or null where there is none. */
function readLines(path: string): readonly string[] | null {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}

function parseLine<Schema extends v.GenericSchema>(
  schema: Schema,
  path: string,
  lines: readonly string[],
  at: number,
): v.InferOutput<Schema> {
  try {
    return v.parse(schema, JSON.parse(lines[at] ?? ''));
  } catch (error) {
    throw new QvacError('E_HOME', `${path}:${at + 1} is damaged`, {
      hint: 'move the file away; a new chain begins then, without the money on this one',
      cause: error,
    });
  }
}

/** Returns where the text ends in the file. */
function writeWhole(file: number, text: string, position: number): number {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at, position + at);
  return position + bytes.length;
}
