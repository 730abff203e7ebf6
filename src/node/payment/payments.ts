import type { AbortOptions, JobId } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import type { Offer, Pay, Payment, Quote, Signed } from '../../protocol/messages.ts';

/** How a client pays. Where there is none, whoever wants to be paid is not asked. */
export interface ClientPayments {
  /**
   * Settles in the background what earlier processes left, as soon as it can be. The chain is opened only where there
   * is something.
   */
  start(): Promise<void>;
  /** Opens the wallet and the chain, when a payment is first thought of. @throws QvacError E_CHAIN, E_CONFIG, E_KEY */
  open(options?: AbortOptions): Promise<EscrowWallet>;
  /** Waits a moment for what runs. Idempotent. */
  stop(): Promise<void>;
}

/** A wallet on a chain. */
export interface EscrowWallet {
  /** Why nobody can be paid there, or null. Asks nobody. */
  refusal(pay: Pay): string | null;
  /**
   * The payment that an offer on this quote has to name. Makes sure of everything that can be known before money is
   * locked: chain, program, that the payee's account holds the quote's node and enough stake, and the wallet's balance.
   * @throws QvacError E_TOO_DEAR, E_FUNDS, E_ESCROW, E_CHAIN
   */
  plan(
    quote: Quote,
    limits: { readonly maxTokens: number; readonly maxPrice: number },
    options?: AbortOptions,
  ): Promise<Payment>;
  /**
   * Locks the money. @throws QvacError E_FUNDS, E_ESCROW; E_CHAIN, after which it may be locked all the same, and is
   * looked after
   */
  lock(order: LockOrder, options?: AbortOptions): Promise<EscrowHold>;
  /** What the chain says of whoever is registered, by the node's key in hex; at most a minute old. */
  records(options?: AbortOptions): Promise<ReadonlyMap<string, ChainRecord>>;
  /** Settles what earlier processes left, as far as it can be now. */
  resume(options?: AbortOptions): Promise<readonly LeftPayment[]>;
}

/**
 * What the chain says of one provider. Whoever is their own client can raise the good counts for the price of the fees.
 */
export interface ChainRecord {
  /** Lamports, and what of them a new job may put at risk. */
  readonly stake: bigint;
  readonly freeStake: bigint;
  readonly active: boolean;
  /** Jobs by how they ended. */
  readonly completed: number;
  readonly refunded: number;
  readonly rejected: number;
  readonly slashed: number;
}

export interface LockOrder {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly quote: Quote;
}

/** Money that is locked for one job. Ends with one of the two. */
export interface EscrowHold {
  /** As long as nothing is settled. */
  readonly standing: Settlement;
  /** What it comes to after the checks. Never throws: what cannot be settled now is looked after later. */
  settle(result: CheckedAnswer, options?: AbortOptions): Promise<Settlement>;
  /** How long the provider can still be refused the money. Asks the chain; never throws. */
  window(options?: AbortOptions): Promise<WindowLeft>;
  /**
   * No final head came: the money comes back, at once where the provider declines.
   * @param received what came of it
   * @returns how it was settled, as soon as it is; null where this process ends before. Never rejects
   */
  abandon(received?: BrokenOff): Promise<Settlement | null>;
}

/** What came of an answer that broke off. */
export interface BrokenOff {
  /** Two heads that contradict each other, kept until the provider submits and is slashed with them. */
  readonly conflict: readonly [Signed, Signed] | null;
  /** Of the prompt, as the provider accepted it; none before that. A longer one is not paid for. */
  readonly promptTokens: readonly number[];
}

export interface WindowLeft {
  /** Whether the provider submitted; else the whole window lies ahead. */
  readonly submitted: boolean;
  /** Until a rejection may come too late, ms. */
  readonly leftMs: number;
}

export interface CheckedAnswer {
  readonly receipt: Receipt;
  readonly assessment: Pick<Assessment, 'result' | 'faults'>;
  /** SHA-256 of this client's verdict. */
  readonly verdictDigest: Uint8Array;
}

export interface Settlement {
  /**
   * `open`: nothing was submitted yet. `submitted`: the provider is paid by itself, later. `gone`: closed, and the
   * chain does not say how.
   */
  readonly state:
    | 'confirmed'
    | 'rejected'
    | 'slashed'
    | 'declined'
    | 'refunded'
    | 'claimed'
    | 'open'
    | 'submitted'
    | 'gone';
  readonly chain: string;
  /** Address of the job's account, 32 bytes. */
  readonly account: Uint8Array;
  /** Lamports; all zero until it is settled, but for `locked`. */
  readonly locked: bigint;
  readonly paid: bigint;
  readonly refunded: bigint;
  /** To nobody. */
  readonly burnt: bigint;
  /** From the provider's stake. */
  readonly compensation: bigint;
  /** base58, null where nothing was sent from here. */
  readonly signature: string | null;
  /** When the chain lets the money go on by itself, unix ms; null once it is settled. */
  readonly dueAt: number | null;
}

/** Whether the money is where it belongs. */
export function isSettled({ state }: Pick<Settlement, 'state'>): boolean {
  return state !== 'open' && state !== 'submitted';
}

/** A payment that an earlier process left. */
export interface LeftPayment {
  readonly jobId: JobId;
  readonly settlement: Settlement;
  /** Whether the provider was not to be paid. Where it was all the same, the rejection came too late. */
  readonly rejected: boolean;
}
