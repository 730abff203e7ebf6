import { QvacError } from '../../errors.ts';
import { raceSignal } from '../../lib/abort.ts';
import type { AbortOptions, JobId } from '../../lib/types.ts';
import type { Quote } from '../../protocol/messages.ts';
import type { JobInit } from '../job/job.ts';
import {
  type BrokenOff,
  type CheckedAnswer,
  type EscrowHold,
  type EscrowWallet,
  isSettled,
  type Settlement,
} from './payments.ts';
import { openRejectWindow, type RejectWindow, watchDelivery } from './reject-window.ts';
import type { SpendingLimits } from './spending-limits.ts';

export interface JobPaymentComponents {
  /** Opens the wallet that pays; called once a quote asks for payment. */
  readonly openWallet: (options: AbortOptions) => Promise<EscrowWallet>;
  /** The limit that the amount counts against, and whose it is. @default none */
  readonly limit?: { readonly limits: SpendingLimits; readonly person: string } | null | undefined;
}

export interface JobPaymentInit {
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

/** The payment of one question to one provider: planned, put on hold, then settled or abandoned. */
export class JobPayment {
  readonly #components: JobPaymentComponents;
  readonly #init: JobPaymentInit;
  #hold: EscrowHold | null = null;
  #jobId: JobId | null = null;

  constructor(components: JobPaymentComponents, init: JobPaymentInit) {
    this.#components = components;
    this.#init = init;
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
    const payment = await wallet.plan(quote, { maxTokens, maxPrice }, options);
    const amount = BigInt(payment.amount);
    const left = limit?.limits.left(limit.person) ?? null;
    if (left !== null && amount > left) throw beyondLimit();
    return {
      payment,
      lock: async (order) => {
        if (limit !== null && !(await limit.limits.reserve(order.jobId, limit.person, amount))) throw beyondLimit();
        this.#jobId = order.jobId;
        onHold?.(amount);
        try {
          this.#hold = await wallet.lock({ ...order, quote }, options);
        } catch (error) {
          // After a refusal nothing is on hold; after any other failure the amount may be.
          const refused = error instanceof QvacError && (error.code === 'E_ESCROW' || error.code === 'E_FUNDS');
          if (refused) limit?.limits.charge(order.jobId, 0n);
          throw error;
        }
      },
    };
  }

  /**
   * Calls `late` if the provider has submitted, and the answer is still incomplete shortly before it would be paid.
   * @returns a function that ends the watch
   */
  watch(late: (error: QvacError) => void): () => void {
    return watchDelivery(this.#hold, late);
  }

  /** Opens the window in which a failed answer can be rejected. */
  openWindow(): RejectWindow {
    return openRejectWindow(this.#hold);
  }

  /** Pays or rejects, by the result of the checks; null if nothing is on hold. */
  async settle(answer: CheckedAnswer, options: AbortOptions): Promise<Settlement | null> {
    const settlement = (await this.#hold?.settle(answer, options)) ?? null;
    if (settlement !== null) this.#count(settlement);
    return settlement;
  }

  /**
   * Takes the payment back, since no complete answer arrived. It counts against the limit until its account is closed.
   * @param received what arrived; null if nothing did
   * @returns within 2 s, the settlement or the state until then; null if nothing is on hold. Never rejects
   */
  async abandon(received: BrokenOff | null): Promise<Settlement | null> {
    if (this.#hold === null) return null;
    const ending = this.#hold.abandon(received ?? undefined).then((settlement) => {
      if (settlement !== null) this.#count(settlement);
      return settlement;
    });
    const settled = await raceSignal(ending, AbortSignal.timeout(abandonMs)).catch(() => null);
    return settled ?? this.#hold.standing;
  }

  #count(settlement: Settlement): void {
    if (this.#jobId === null || !isSettled(settlement)) return;
    this.#components.limit?.limits.charge(this.#jobId, settlement.paid + settlement.burnt);
  }
}

function beyondLimit(): QvacError {
  return new QvacError('E_LIMIT', 'the rest of your limit for 24 h does not cover this answer');
}
