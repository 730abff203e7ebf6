import type { AbortOptions, JobId } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import type { Offer, Pay, Payment, Quote, Signed } from '../../protocol/messages.ts';

/** How a client pays. A client without it asks only free providers. */
export interface ClientPayments {
  /**
   * Settles, in the background, payments that earlier processes left, each as soon as possible. Opens the chain only if
   * there are any.
   */
  start(): Promise<void>;
  /** Opens the wallet and the chain, on the first call. @throws QvacError E_CHAIN, E_CONFIG, E_KEY */
  open(options?: AbortOptions): Promise<EscrowWallet>;
  /** Waits for running work, for a bounded time. Idempotent. */
  stop(): Promise<void>;
}

/** A wallet on a chain. */
export interface EscrowWallet {
  /** Why this wallet cannot pay to `pay`, or null. Decided locally, without the chain. */
  refusal(pay: Pay): string | null;
  /**
   * The payment that an offer on this quote must name. Checks everything that can be known before money is locked: the
   * chain, the program, the payee's registration for the quote's node, its stake, and the wallet's balance.
   * @throws QvacError E_TOO_DEAR, E_FUNDS, E_ESCROW, E_CHAIN
   */
  plan(
    quote: Quote,
    limits: { readonly maxTokens: number; readonly maxPrice: number },
    options?: AbortOptions,
  ): Promise<Payment>;
  /**
   * Locks the money.
   * @throws QvacError E_FUNDS, E_ESCROW; E_CHAIN, after which the money may be locked: it is then settled later
   */
  lock(order: LockOrder, options?: AbortOptions): Promise<EscrowHold>;
  /** The chain's records of all registered providers, by the node's key in hex; at most 2 s old. */
  records(options?: AbortOptions): Promise<ReadonlyMap<string, ChainRecord>>;
  /** Settles, as far as possible now, the payments that earlier processes left. */
  resume(options?: AbortOptions): Promise<readonly LeftPayment[]>;
}

/** The chain's record of one provider. A provider that is its own client can raise `completed` for the fees alone. */
export interface ChainRecord {
  /** Lamports; of these, `freeStake` is available to cover new jobs. */
  readonly stake: bigint;
  readonly freeStake: bigint;
  readonly active: boolean;
  /** Jobs by outcome. */
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

/** Money that is locked for one job. Ends with `settle` or `abandon`. */
export interface EscrowHold {
  /** The state until the payment is settled. */
  readonly standing: Settlement;
  /** Pays or rejects after the checks. Never throws: a payment that cannot be settled now is settled later. */
  settle(result: CheckedAnswer, options?: AbortOptions): Promise<Settlement>;
  /** How long the answer can still be rejected. Asks the chain; never throws. */
  window(options?: AbortOptions): Promise<WindowLeft>;
  /**
   * No final head arrived: the money is refunded, at once if the provider declines.
   * @param received the part of the answer that arrived
   * @returns the settlement, once there is one; null if this process ends first. Never rejects
   */
  abandon(received?: BrokenOff): Promise<Settlement | null>;
}

/** The part of a broken-off answer that bears on its payment. */
export interface BrokenOff {
  /** Two heads that contradict each other, kept until the provider submits and is slashed with them. */
  readonly conflict: readonly [Signed, Signed] | null;
  /** The prompt's tokens as accepted; empty before the accept. A provider that submits more of them is rejected. */
  readonly promptTokens: readonly number[];
}

export interface WindowLeft {
  /** Whether the provider has submitted; if not, the whole window remains. */
  readonly submitted: boolean;
  /** Time until a rejection may come too late, in ms. */
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
   * `open`: not submitted yet. `submitted`: the provider can claim its payment once the window closes. `gone`: closed,
   * and the chain has no record of how.
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
  /** Lamports. All but `locked` are zero until the payment is settled. */
  readonly locked: bigint;
  readonly paid: bigint;
  readonly refunded: bigint;
  /** Paid to no account. */
  readonly burnt: bigint;
  /** From the provider's stake. */
  readonly compensation: bigint;
  /** Transaction signature in base58; null if this process sent no transaction. */
  readonly signature: string | null;
  /** When the refund or the claim becomes possible, unix ms; null once settled. */
  readonly dueAt: number | null;
}

/** Whether the payment has reached its final state. */
export function isSettled({ state }: Pick<Settlement, 'state'>): boolean {
  return state !== 'open' && state !== 'submitted';
}

/** A payment that an earlier process left unsettled. */
export interface LeftPayment {
  readonly jobId: JobId;
  readonly settlement: Settlement;
  /** Whether this client rejected the answer. If the provider was paid regardless, the rejection came too late. */
  readonly rejected: boolean;
}
