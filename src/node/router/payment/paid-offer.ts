import { QvacError } from '../../../errors.ts';
import type { AbortOptions, JobId } from '../../../lib/types.ts';
import type { Quote } from '../../../protocol/messages.ts';
import type { JobInit } from '../../job/job.ts';
import {
  type BrokenOff,
  type CheckedAnswer,
  type EscrowHold,
  isSettled,
  type Settlement,
} from '../../payment/payments.ts';
import { openRejectWindow, type RejectWindow, watchDelivery } from '../../payment/reject-window.ts';
import type { SpendingAllowance } from '../../payment/spending-limits.ts';
import { RouteFailure } from '../failure.ts';

/** The payment of one offer: from the plan to what it came to, within the person's limit. */
export class PaidOffer {
  readonly #purse: SpendingAllowance;
  readonly #quote: Quote;
  #locked: EscrowHold | null = null;
  #job: JobId | null = null;

  constructor(purse: SpendingAllowance, quote: Quote) {
    this.#purse = purse;
    this.#quote = quote;
  }

  /**
   * What the offer says of it, and how it is locked.
   * @throws RouteFailure `limit` where it is above what is left of today, or this router cannot pay now; QvacError
   * E_ESCROW
   */
  async plan(
    limits: { readonly maxTokens: number; readonly maxPrice: number },
    options: AbortOptions,
  ): Promise<Pick<JobInit, 'payment' | 'lock'>> {
    const payment = await ours(() => this.#purse.paying.plan(this.#quote, limits, options));
    const amount = BigInt(payment.amount);
    const beyond = (): RouteFailure =>
      new RouteFailure('limit', 'what is left of your limit for today does not cover this answer');
    if (amount > this.#purse.left) throw beyond();
    return {
      payment,
      lock: async (order) => {
        if (!(await ours(() => this.#purse.reserve(order.jobId, amount)))) throw beyond();
        this.#job = order.jobId;
        this.#locked = await ours(async () => {
          try {
            return await this.#purse.paying.lock({ ...order, quote: this.#quote }, options);
          } catch (error) {
            // Where the chain refused it, nothing is locked; else it may be.
            if (error instanceof QvacError && (error.code === 'E_ESCROW' || error.code === 'E_FUNDS'))
              this.#purse.settle(order.jobId, 0n);
            throw error;
          }
        });
      },
    };
  }

  /**
   * Calls `late` where the provider submitted and the answer is not whole shortly before it would be paid. @returns
   * ends the watch
   */
  watch(late: (error: QvacError) => void): () => void {
    return watchDelivery(this.#locked, late);
  }

  /** In which the answer has to be checked. */
  openWindow(): RejectWindow {
    return openRejectWindow(this.#locked);
  }

  /** Null where nothing was locked. */
  async settle(answer: CheckedAnswer, options: AbortOptions): Promise<Settlement | null> {
    const settlement = (await this.#locked?.settle(answer, options)) ?? null;
    if (settlement !== null) this.#count(settlement);
    return settlement;
  }

  /**
   * There is no answer; what was locked counts against the limit until its account is closed.
   * @param received what came of it
   */
  abandon(received?: BrokenOff): void {
    void this.#locked?.abandon(received).then((settlement) => {
      if (settlement !== null) this.#count(settlement);
    });
  }

  #count(settlement: Settlement): void {
    if (this.#job !== null && isSettled(settlement)) this.#purse.settle(this.#job, settlement.paid + settlement.burnt);
  }
}

/** What goes wrong with our own wallet, disk or chain is not the provider's fault. */
async function ours<Value>(run: () => Promise<Value>): Promise<Value> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof QvacError && (error.code === 'E_CHAIN' || error.code === 'E_FUNDS' || error.code === 'E_HOME'))
      throw new RouteFailure('limit', `this router cannot pay now: ${error.message}`);
    throw error;
  }
}
