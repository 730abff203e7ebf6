import { QvacError } from '../../errors.ts';
import { raceSignal } from '../../lib/abort.ts';
import type { AbortOptions, JobId, PeerIdString } from '../../lib/types.ts';
import type { FaultError } from '../../proofs/fault.ts';
import type { ChannelTotals } from '../../proofs/payment/channel-state.ts';
import { type Pay, type PayFrom, payFrom, type Quote } from '../../protocol/messages.ts';
import type { Job, JobInit } from '../job/job.ts';
import type { PayPolicy } from './channel/channels.ts';
import type { ChannelPlace } from './channel/open-channel.ts';
import {
  type BrokenOff,
  type CheckedAnswer,
  type ClientPayments,
  type EscrowHold,
  type EscrowWallet,
  isSettled,
  type Settlement,
} from './payments.ts';
import { openRejectWindow, type RejectWindow } from './reject-window.ts';
import type { SpendingLimits } from './spending-limits.ts';

export interface JobPaymentComponents {
  /** Opens the wallet that pays; called once a quote asks for payment. */
  readonly openWallet: (options: AbortOptions) => Promise<EscrowWallet>;
  /** The limit that the amount counts against, and whose it is. @default none */
  readonly limit?: { readonly limits: SpendingLimits; readonly person: string } | null | undefined;
}

/** The provider of an answer, by its card. */
export interface PaidProvider {
  readonly peer: PeerIdString;
  /** Key of its node, 32 bytes. */
  readonly key: Uint8Array;
  readonly pay: Pay | null;
  /** Answers that it writes at once. */
  readonly slots: number;
  /** The most that the answer can cost. */
  readonly priceLamports: bigint;
}

export interface JobPaymentInit {
  /** Whether a channel may pay. @default as the wallet's policy says */
  readonly pay?: PayPolicy | undefined;
  /** The most that may be deposited in its channel. @default as the wallet's policy says */
  readonly maxDepositLamports?: bigint | undefined;
  /** Of channels, only one that is open already pays. @default false */
  readonly isOpenOnly?: boolean | undefined;
  /** How long a place in its channel may be waited for where nothing else pays, in ms. @default 2_000 */
  readonly waitMs?: number | undefined;
  readonly maxTokens: number;
  /** Lamports. */
  readonly maxPrice: number;
  /** Called with the lamports that are about to be put on hold. */
  readonly onHold?: ((lamports: bigint) => void) | undefined;
}

/** How long a provider may take to find the payment on the chain and to answer the offer, in ms. */
export const paidAcceptMs = 60_000;

/** How long to wait for the settlement of a broken-off answer, in ms. */
const abandonMs = 2_000;

/**
 * How a client without payments, or with them, opens the wallet that pays.
 * @param payments null: it pays nothing
 */
export function walletOf(payments: ClientPayments | null): JobPaymentComponents['openWallet'] {
  return async (options) => {
    if (payments === null)
      throw new QvacError('E_LIMIT', 'this provider charges for answers, and this client does not pay');
    return payments.open(options);
  };
}

/** The payment of one question to one provider: planned, put on hold, then settled or abandoned. */
export class JobPayment {
  readonly #components: JobPaymentComponents;
  readonly #init: JobPaymentInit;
  #hold: EscrowHold | null = null;
  #place: ChannelPlace | null = null;
  #jobId: JobId | null = null;

  constructor(components: JobPaymentComponents, init: JobPaymentInit) {
    this.#components = components;
    this.#init = init;
  }

  /** Whether a channel pays. */
  get isInChannel(): boolean {
    return this.#place !== null;
  }

  /**
   * Where the answer will be paid from, which its quote depends on.
   * @throws the errors of the wallet
   */
  async choose({ peer, key, pay, slots, priceLamports }: PaidProvider, options: AbortOptions): Promise<PayFrom> {
    if (pay === null || priceLamports === 0n) return payFrom.nothing;
    // Without a wallet the quote is asked for all the same: the plan says then that nothing can be paid.
    const wallet = await this.#components.openWallet(options);
    if (wallet.refusal(pay) !== null) return payFrom.jobAccount;
    const { pay: policy, isOpenOnly, maxDepositLamports, waitMs } = this.#init;
    const place = { provider: peer, key, pay, slots, amountLamports: priceLamports };
    const wanted = { ...place, policy, isOpenOnly, maxDepositLamports, waitMs };
    this.#place = (await wallet.channels?.place(wanted, options)) ?? null;
    return this.#place === null ? payFrom.jobAccount : payFrom.channel;
  }

  /** The provider did not take an offer that its channel pays: later ones have accounts of their own. */
  async avoidChannel(): Promise<void> {
    const key = this.#place?.channel.terms.provider;
    if (key !== undefined) (await this.#components.openWallet({})).channels?.avoid(key);
  }

  get isOnHold(): boolean {
    return this.#hold !== null;
  }

  /**
   * The offer's payment, and the function that puts the amount on hold; empty if the quote asks for no payment.
   * @throws QvacError E_LIMIT if the limit does not cover it; the errors of the wallet
   */
  async plan(quote: Quote | null, options: AbortOptions): Promise<Pick<JobInit, 'payment' | 'lock'>> {
    if (quote?.pay == null) return {};
    const { maxTokens, maxPrice, onHold } = this.#init;
    const { limit = null } = this.#components;
    const wallet = await this.#components.openWallet(options);
    const place = this.#place;
    const { payment, reserveLamports } = await wallet.plan(quote, { maxTokens, maxPrice, place }, options);
    const left = limit?.limits.left(limit.person) ?? null;
    if (left !== null && reserveLamports > left) throw beyondLimit();
    return {
      payment,
      lock: async (order) => {
        if (limit !== null && !(await limit.limits.reserve(order.jobId, limit.person, reserveLamports)))
          throw beyondLimit();
        this.#jobId = order.jobId;
        if (place === null) onHold?.(payment.amountLamports);
        try {
          this.#hold = await wallet.lock({ ...order, quote, place }, options);
          return this.#hold.totals;
        } catch (error) {
          // After a refusal nothing is on hold; after any other failure the amount may be.
          const refused = error instanceof QvacError && (error.code === 'E_ESCROW' || error.code === 'E_FUNDS');
          if (refused) limit?.limits.charge(order.jobId, 0n);
          throw error;
        }
      },
    };
  }

  /** Opens the window in which a failed answer can be rejected. */
  openWindow(): RejectWindow {
    return openRejectWindow(this.#hold);
  }

  /** As of `EscrowHold`; null if nothing is on hold. */
  async release(answer: Omit<CheckedAnswer, 'receipt'>): Promise<ChannelTotals | null> {
    return (await this.#hold?.release(answer)) ?? null;
  }

  /** As of `EscrowHold`. */
  delivered(isSent: boolean): void {
    this.#hold?.delivered(isSent);
  }

  /** Pays or rejects, by the result of the checks; null if nothing is on hold. */
  async settle(answer: CheckedAnswer, options: AbortOptions): Promise<Settlement | null> {
    const settlement = (await this.#hold?.settle(answer, options)) ?? null;
    if (settlement !== null) this.#count(settlement);
    return settlement;
  }

  /**
   * No complete answer arrived: the provider is paid for what was acknowledged, and the rest comes back. Until its
   * account is closed, all of it counts against the limit.
   * @param job null if there is none yet
   * @param fault what ended it; null: no fault
   * @returns within 2 s, the settlement or the state until then; null if nothing is on hold. Never rejects
   */
  async abandon(job: Pick<Job, 'received'> | null, fault: FaultError | null = null): Promise<Settlement | null> {
    this.#place?.leave();
    if (this.#hold === null) return null;
    const ending = this.#hold.abandon(brokenOff(job, fault)).then((settlement) => {
      if (settlement !== null) this.#count(settlement);
      return settlement;
    });
    const settled = await raceSignal(ending, AbortSignal.timeout(abandonMs)).catch(() => null);
    return settled ?? this.#hold.standing;
  }

  #count(settlement: Settlement): void {
    if (this.#jobId === null || !isSettled(settlement)) return;
    this.#components.limit?.limits.charge(this.#jobId, settlement.paid + settlement.burnt + settlement.fees);
  }
}

function brokenOff(job: Pick<Job, 'received'> | null, error: FaultError | null): BrokenOff {
  const fault = error?.fault ?? null;
  if (job === null) return { head: null, conflict: null, promptCount: 0, fault };
  const { received } = job;
  const head = received.head === null ? null : (received.receipt([]).heads[0] ?? null);
  return { head, conflict: received.conflict, promptCount: received.promptTokens.length, fault };
}

function beyondLimit(): QvacError {
  return new QvacError('E_LIMIT', 'the rest of your limit for 24 h does not cover this answer');
}
