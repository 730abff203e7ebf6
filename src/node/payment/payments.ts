import type { AbortOptions, ChannelId, JobId } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import type { ChannelTotals } from '../../proofs/payment/channel-state.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import type { FaultCode, Offer, Pay, Payment, Quote, Signed } from '../../protocol/messages.ts';
import type { JobTotals } from '../job/job.ts';
import type { WalletChannels } from './channel/channels.ts';
import type { ChannelPlace } from './channel/open-channel.ts';

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
  /** The channels that it pays from. @default null: it pays each answer from an account of its own */
  readonly channels?: WalletChannels | null | undefined;
  /** Why this wallet cannot pay to `pay`, or null. Decided locally, without the chain. */
  refusal(pay: Pay): string | null;
  /**
   * The payment that an offer on this quote must name. Checks everything that can be known before money is locked: the
   * chain, the program, and for an account of its own the payee's registration for the quote's node, its stake, and the
   * wallet's balance.
   * @throws QvacError E_TOO_DEAR, E_FUNDS, E_ESCROW, E_CHAIN
   */
  plan(quote: Quote, limits: PlanLimits, options?: AbortOptions): Promise<PlannedPayment>;
  /**
   * Locks the money.
   * @throws QvacError E_FUNDS, E_ESCROW; E_CHAIN, after which the money may be locked: it is then settled later
   */
  lock(order: LockOrder, options?: AbortOptions): Promise<EscrowHold>;
  /** The chain's records of all registered providers, by the node's key in hex; at most 2 s old. */
  records(options?: RecordsOptions): Promise<ReadonlyMap<string, ChainRecord>>;
  /** Settles, as far as possible now, the payments that earlier processes left. */
  resume(options?: AbortOptions): Promise<readonly LeftPayment[]>;
}

export interface RecordsOptions extends AbortOptions {
  /**
   * Records of up to a minute ago do, so that a question need not wait for the chain: newer ones are read meanwhile.
   * @default false
   */
  readonly mayBeOld?: boolean | undefined;
}

export interface PlanLimits {
  readonly maxTokens: number;
  /** Lamports. */
  readonly maxPrice: number;
  /** The place in a channel that pays. @default null: an account of its own */
  readonly place?: ChannelPlace | null | undefined;
}

/** A payment that can be made now. */
export interface PlannedPayment {
  readonly payment: Payment;
  /** The amount, with the rent that is on hold beside it and the fees; lamports. */
  readonly reserveLamports: bigint;
}

/** The chain's record of one provider. A provider that is its own client can raise `earned` for the fees alone. */
export interface ChainRecord {
  /** Lamports; of these, `freeStake` is available to cover new jobs. */
  readonly stake: bigint;
  readonly freeStake: bigint;
  /** All payouts, and what rejections burnt; lamports. */
  readonly earned: bigint;
  readonly rejected: bigint;
  readonly slashed: number;
  /** Time since the registration, in ms. */
  readonly ageMs: number;
}

export interface LockOrder {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly quote: Quote;
  /** As planned. @default null */
  readonly place?: ChannelPlace | null | undefined;
}

/** Money that is locked for one job. Ends with `settle` or `abandon`. */
export interface EscrowHold {
  /** The state until the payment is settled. */
  readonly standing: Settlement;
  /** Counts what the answer costs in its channel; null: it has an account of its own. */
  readonly totals: JobTotals | null;
  /**
   * After the checks, before the verdict is sent: writes down that the answer is released, or that it never is.
   * @returns the totals that release it; null if there is nothing to release. Never rejects
   */
  release(result: Omit<CheckedAnswer, 'receipt'>): Promise<ChannelTotals | null>;
  /** Whether the release went out on the answer's stream; if not, another one takes it, in the background. */
  delivered(isSent: boolean): void;
  /** Pays or rejects after the checks. Never throws: a payment that cannot be settled now is settled later. */
  settle(result: CheckedAnswer, options?: AbortOptions): Promise<Settlement>;
  /** How long the answer can still be rejected. Asks the chain; never throws. */
  window(options?: AbortOptions): Promise<WindowLeft>;
  /**
   * No final head arrived. The provider can be paid for what was acknowledged; the rest is refunded, all of it if the
   * provider declines.
   * @param received the part of the answer that arrived
   * @returns the settlement, once there is one; null if this process ends first. Never rejects
   */
  abandon(received?: BrokenOff): Promise<Settlement | null>;
}

/** The part of a broken-off answer that bears on its payment. */
export interface BrokenOff {
  /** The newest head that arrived: a submission that contradicts it is slashed. */
  readonly head: Signed | null;
  /** Two heads that contradict each other, kept until the provider submits and is slashed with them. */
  readonly conflict: readonly [Signed, Signed] | null;
  /** Tokens of the prompt as accepted; 0 before the accept. A provider that submits more of them is rejected. */
  readonly promptCount: number;
  /** The fault that ended the answer, or null: then it is paid in a channel as far as it was acknowledged. */
  readonly fault: FaultCode | null;
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
   * and the chain has no record of how. `challenged`: the provider is to open its answer on the chain. In a channel:
   * `released` is the provider's, `withheld` failed its checks and is nobody's.
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
    | 'gone'
    | 'challenged'
    | 'released'
    | 'withheld';
  readonly chain: string;
  /** Address of the job's or the channel's account, 32 bytes. */
  readonly account: Uint8Array;
  /** Lamports. All but `locked` are zero until the payment is settled. */
  readonly locked: bigint;
  readonly paid: bigint;
  readonly refunded: bigint;
  /** Paid to no account. */
  readonly burnt: bigint;
  /** From the provider's stake. */
  readonly compensation: bigint;
  /** What the network took of this wallet so far. */
  readonly fees: bigint;
  /** Transaction signature in base58; null if this process sent no transaction. */
  readonly signature: string | null;
  /** When the refund or the claim becomes possible, unix ms; null once settled. */
  readonly dueAt: number | null;
  /** The channel that paid, as it stands; null: an account of its own did. */
  readonly channel: ChannelStanding | null;
}

/** Lamports. */
export interface ChannelStanding {
  readonly id: ChannelId;
  readonly deposit: bigint;
  /** What further answers can cost. */
  readonly left: bigint;
  /** The amounts of answers under way. */
  readonly underWay: bigint;
}

/** Whether the payment has reached its final state. */
export function isSettled({ state }: Pick<Settlement, 'state'>): boolean {
  return state !== 'open' && state !== 'submitted' && state !== 'challenged';
}

/** A payment that an earlier process left unsettled. */
export interface LeftPayment {
  readonly jobId: JobId;
  readonly settlement: Settlement;
  /** Whether this client rejected the answer. If the provider was paid regardless, the rejection came too late. */
  readonly rejected: boolean;
}
