import { createHash, randomBytes } from 'node:crypto';
import { type Address, address as toAddress } from '@solana/kit';
import { FailedTransactionMetadata, Clock as LedgerClock, LiteSVM, type TransactionMetadata } from 'litesvm';
import { utf8 } from '../../lib/bytes.ts';
import type { Clock } from '../../lib/clock.ts';
import { addressText } from '../addresses.ts';
import { accountOf, type ChainAccount, encodedOf, storedOf } from './chain-account.ts';
import { blockhashSlots, type ChainClock, createChainClock } from './clock.ts';
import type { Ledger, LedgerEntry, StoredAccount, StoredTransaction } from './ledger.ts';
import { decodeTransaction, type SignedTransaction } from './signed-transaction.ts';
import { transactionError } from './transaction-error.ts';

const systemProgram = '11111111111111111111111111111111';
const slotsPerEpoch = 432_000;

/** A transaction that was not executed; nothing was charged for it. `err` is as the JSON-RPC shows it. */
export class RejectedTransaction extends Error {
  readonly err: unknown;
  readonly logs: readonly string[];
  readonly units: number;

  constructor(err: unknown, logs: readonly string[] = [], units = 0) {
    super(typeof err === 'string' ? err : JSON.stringify(err));
    this.name = 'RejectedTransaction';
    this.err = err;
    this.logs = logs;
    this.units = units;
  }
}

/** A Solana chain in this process: the real runtime without validators, that forgets nothing. */
export interface Chain {
  /** base58 */
  readonly genesisHash: string;
  readonly clock: ChainClock;
  /** The newest one; it can be used for the next `blockhashSlots` slots. */
  blockhash(): string;
  isBlockhashValid(blockhash: string): boolean;
  minimumBalance(bytes: number): bigint;
  account(address: string): ChainAccount | null;
  accountsOf(program: string): readonly ChainAccount[];
  /** Makes lamports out of nothing. Returns a signature to find it by. */
  airdrop(address: string, amount: bigint): string;
  /**
   * Executes a signed transaction. Returns it also where it failed after its fee was taken.
   * @throws RejectedTransaction where it was not executed; RangeError for bytes that are no transaction
   */
  execute(raw: Uint8Array): StoredTransaction;
  /** What `execute` would do. Takes no fee. @throws as `execute`, and RejectedTransaction where it would fail */
  simulate(
    raw: Uint8Array,
    options?: { readonly anyBlockhash?: boolean; readonly anySignature?: boolean },
  ): { readonly logs: readonly string[]; readonly units: number };
  transaction(signature: string): StoredTransaction | null;
  /** Of the transactions that name the account, newest first. */
  transactionsOf(address: string): readonly StoredTransaction[];
  readonly transactionCount: number;
  /** Moves the clock forward. */
  warp(ms: number): void;
  /** Calls `listener` after every change. Returns how to end that. */
  onChange(listener: (transaction: StoredTransaction) => void): () => void;
}

export interface ChainInit {
  readonly ledger: Ledger;
  readonly clock: Clock;
  /** Programs that the chain begins with, by address. */
  readonly programs: Readonly<Record<string, Uint8Array>>;
}

export function openChain({ ledger, clock, programs }: ChainInit): Chain {
  return new LiteChain(
    ledger,
    createChainClock(clock, { ...ledger.state, startedAt: ledger.state.header.startedAt }),
    programs,
  );
}

class LiteChain implements Chain {
  readonly genesisHash: string;
  readonly clock: ChainClock;
  readonly #ledger: Ledger;
  readonly #svm: LiteSVM;
  /** Why the ledger is behind what happened here. */
  #lost: unknown = null;
  readonly #listeners = new Set<(transaction: StoredTransaction) => void>();

  constructor(ledger: Ledger, clock: ChainClock, programs: Readonly<Record<string, Uint8Array>>) {
    this.genesisHash = ledger.state.header.genesis;
    this.clock = clock;
    this.#ledger = ledger;
    // Age and repetition of transactions are checked here: the runtime knows one blockhash at a time only.
    this.#svm = new LiteSVM().withBlockhashCheck(false).withTransactionHistory(0n);
    for (const [address, bytes] of Object.entries(programs)) this.#svm.addProgram(toAddress(address), bytes);
    for (const [address, account] of ledger.state.accounts) this.#svm.setAccount(encodedOf(address, account));
    this.#tick();
  }

  /** Brings the runtime's clock up to now. Returns the slot. */
  #tick(): number {
    const slot = this.clock.slot();
    const epoch = BigInt(Math.floor(slot / slotsPerEpoch));
    const seconds = BigInt(Math.floor(this.clock.now() / 1_000));
    this.#svm.setClock(new LedgerClock(BigInt(slot), seconds, epoch, epoch + 1n, seconds));
    return slot;
  }

  #blockhashAt(slot: number): string {
    return addressText(
      createHash('sha256')
        .update(utf8(`qvac/blockhash/${this.genesisHash}/${slot}`))
        .digest(),
    );
  }

  blockhash(): string {
    return this.#blockhashAt(this.clock.slot());
  }

  isBlockhashValid(blockhash: string): boolean {
    const slot = this.clock.slot();
    for (let age = 0; age <= blockhashSlots; age++) if (this.#blockhashAt(slot - age) === blockhash) return true;
    return false;
  }

  minimumBalance(bytes: number): bigint {
    return this.#svm.minimumBalanceForRentExemption(BigInt(bytes));
  }

  account(address: string): ChainAccount | null {
    this.#tick();
    const account = this.#svm.getAccount(address as Address);
    return account.exists && account.lamports > 0n ? accountOf(account) : null;
  }

  accountsOf(program: string): readonly ChainAccount[] {
    return this.#svm
      .getProgramAccounts(program as Address)
      .filter(({ lamports }) => lamports > 0n)
      .map(accountOf);
  }

  airdrop(address: string, amount: bigint): string {
    const before = this.account(address);
    const after = {
      ...(before ?? { address, owner: systemProgram, executable: false, data: new Uint8Array() }),
      lamports: (before?.lamports ?? 0n) + amount,
    };
    this.#svm.setAccount(encodedOf(address, storedOf(after)));
    const signature = addressText(randomBytes(64));
    this.#record({
      signature,
      err: null,
      logs: [],
      fee: 0,
      units: 0,
      raw: null,
      keys: [address],
      pre: [String(before?.lamports ?? 0n)],
      post: [String(after.lamports)],
    });
    return signature;
  }

  execute(raw: Uint8Array): StoredTransaction {
    const decoded = decodeTransaction(raw);
    this.#check(decoded);
    this.#tick();
    const balances = (): string[] => decoded.keys.map((key) => String(this.#svm.getBalance(key as Address) ?? 0n));
    const pre = balances();
    const result = this.#svm.sendTransaction(decoded.transaction);
    const failed = result instanceof FailedTransactionMetadata;
    const meta: TransactionMetadata = failed ? result.meta() : result;
    const err = failed ? transactionError(result.toString()) : null;
    const post = balances();
    // Without a fee it was not executed at all.
    if (failed && pre[0] === post[0]) throw new RejectedTransaction(err, meta.logs());
    return this.#record({
      signature: decoded.signature,
      err,
      logs: meta.logs(),
      fee: Number(/\bfee: (\d+)/.exec(meta.toString())?.[1] ?? 0),
      units: Number(meta.computeUnitsConsumed()),
      raw: Buffer.from(raw).toString('base64'),
      keys: [...decoded.keys],
      pre,
      post,
    });
  }

  simulate(raw: Uint8Array, options: { readonly anyBlockhash?: boolean; readonly anySignature?: boolean } = {}) {
    const decoded = decodeTransaction(raw);
    if (options.anyBlockhash !== true) this.#check(decoded);
    this.#tick();
    this.#svm.withSigverify(options.anySignature !== true);
    try {
      const result = this.#svm.simulateTransaction(decoded.transaction);
      const meta = result.meta();
      if (result instanceof FailedTransactionMetadata)
        throw new RejectedTransaction(
          transactionError(result.toString()),
          meta.logs(),
          Number(meta.computeUnitsConsumed()),
        );
      return { logs: meta.logs(), units: Number(meta.computeUnitsConsumed()) };
    } finally {
      this.#svm.withSigverify(true);
    }
  }

  #check({ signature, blockhash }: SignedTransaction): void {
    if (this.#lost !== null) throw this.#lost;
    if (this.#ledger.state.transactions.has(signature)) throw new RejectedTransaction('AlreadyProcessed');
    if (!this.isBlockhashValid(blockhash)) throw new RejectedTransaction('BlockhashNotFound');
  }

  #record(transaction: Omit<StoredTransaction, 'slot' | 'time'>): StoredTransaction {
    const time = this.clock.now();
    const whole = { ...transaction, slot: this.clock.slot(), time: Math.floor(time / 1_000) };
    const accounts = Object.fromEntries(
      whole.keys.map((key) => [key, this.#changed(key)]).filter(([, account]) => account !== undefined),
    );
    this.#keep({ time, ahead: this.clock.ahead, accounts, transaction: whole });
    for (const listener of this.#listeners) listener(whole);
    return whole;
  }

  /**
   * Once something could not be kept, nothing more is done: the ledger would have only a part of what came after.
   * @throws QvacError E_HOME
   */
  #keep(entry: LedgerEntry): void {
    if (this.#lost !== null) throw this.#lost;
    try {
      this.#ledger.append(entry);
    } catch (error) {
      this.#lost = error;
      throw error;
    }
  }

  /** What the ledger keeps of an account: nothing of programs and of the chain's own, which every start makes anew. */
  #changed(address: string): StoredAccount | null | undefined {
    const account = this.#svm.getAccount(address as Address);
    if (!account.exists || account.lamports === 0n) return null;
    const isOwn =
      account.executable ||
      account.programAddress.startsWith('Sysvar') ||
      account.programAddress.startsWith('NativeLoader');
    return isOwn ? undefined : storedOf(accountOf(account));
  }

  transaction(signature: string): StoredTransaction | null {
    return this.#ledger.state.transactions.get(signature) ?? null;
  }

  transactionsOf(address: string): readonly StoredTransaction[] {
    return [...this.#ledger.state.transactions.values()].filter(({ keys }) => keys.includes(address)).reverse();
  }

  get transactionCount(): number {
    return this.#ledger.state.transactions.size;
  }

  warp(ms: number): void {
    this.clock.putAhead(ms);
    this.#keep({ time: this.clock.now(), ahead: this.clock.ahead, accounts: {}, transaction: null });
  }

  onChange(listener: (transaction: StoredTransaction) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
