import { QvacError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { JobTotals } from '../../node/job/job.ts';
import type {
  BrokenOff,
  CheckedAnswer,
  ClientPayments,
  EscrowHold,
  EscrowWallet,
  Settlement,
  WindowLeft,
} from '../../node/payment/payments.ts';
import type { ChannelTotals } from '../../proofs/payment/channel-state.ts';

/**
 * Wraps `payments` and reports the cost of answers that failed. Their providers are still paid for what was
 * acknowledged; without this report a daily limit would miss that spending.
 * @param onCost gets the final cost in lamports, once it is known; the promise never rejects
 */
export function withFailedAnswerCosts(
  payments: ClientPayments,
  onCost: (lamports: Promise<bigint>) => void,
): ClientPayments {
  const counting = (paying: EscrowWallet): EscrowWallet => ({
    channels: paying.channels,
    refusal: (pay) => paying.refusal(pay),
    plan: (quote, limits, options) => paying.plan(quote, limits, options),
    records: (options) => paying.records(options),
    resume: (options) => paying.resume(options),
    async lock(order, options) {
      const lockedLamports = order.offer.payment.amountLamports;
      try {
        return new CountingHold(await paying.lock(order, options), lockedLamports, onCost);
      } catch (error) {
        // A chain that did not reply may still have executed the transaction.
        if (error instanceof QvacError && error.code === 'E_CHAIN') onCost(Promise.resolve(lockedLamports));
        throw error;
      }
    },
  });
  return {
    start: () => payments.start(),
    stop: () => payments.stop(),
    open: async (options) => counting(await payments.open(options)),
  };
}

class CountingHold implements EscrowHold {
  readonly #hold: EscrowHold;
  readonly #lockedLamports: bigint;
  readonly #onCost: (lamports: Promise<bigint>) => void;

  constructor(hold: EscrowHold, lockedLamports: bigint, onCost: (lamports: Promise<bigint>) => void) {
    this.#hold = hold;
    this.#lockedLamports = lockedLamports;
    this.#onCost = onCost;
  }

  get standing(): Settlement {
    return this.#hold.standing;
  }

  get totals(): JobTotals | null {
    return this.#hold.totals;
  }

  release(result: Omit<CheckedAnswer, 'receipt'>): Promise<ChannelTotals | null> {
    return this.#hold.release(result);
  }

  delivered(isSent: boolean): void {
    this.#hold.delivered(isSent);
  }

  settle(result: CheckedAnswer, options?: AbortOptions): Promise<Settlement> {
    return this.#hold.settle(result, options);
  }

  window(options?: AbortOptions): Promise<WindowLeft> {
    return this.#hold.window(options);
  }

  abandon(received?: BrokenOff): Promise<Settlement | null> {
    const settling = this.#hold.abandon(received);
    const costing = settling.then(
      (settlement) => (settlement === null ? this.#lockedLamports : settlement.paid + settlement.burnt),
      () => this.#lockedLamports,
    );
    this.#onCost(costing);
    return settling;
  }
}
