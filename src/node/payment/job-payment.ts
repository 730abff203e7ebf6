import { QvacError } from '../../errors.ts';
import { raceSignal } from '../../lib/abort.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Quote } from '../../protocol/messages.ts';
import type { JobInit } from '../job/job.ts';
import type { BrokenOff, CheckedAnswer, ClientPayments, EscrowHold, Settlement } from './payments.ts';
import { openRejectWindow, type RejectWindow, watchDelivery } from './reject-window.ts';

export interface DirectPaymentInit {
  readonly maxTokens: number;
  /** Lamports. */
  readonly maxPrice: number;
  /** So much is about to be locked. */
  locking(lamports: bigint): void;
}

/** How long a provider may take to see the payment on the chain and answer the offer, in ms. */
const paidAcceptMs = 60_000;
/** How long whoever asked waits to hear what became of the money of an answer that broke off, in ms. */
const giveUpMs = 2_000;

/** The payment of one question to one provider: planned, locked, then settled or given up. */
export class DirectPayment {
  readonly #payments: ClientPayments | null;
  readonly #init: DirectPaymentInit;
  #locked: EscrowHold | null = null;

  constructor(payments: ClientPayments | null, init: DirectPaymentInit) {
    this.#payments = payments;
    this.#init = init;
  }

  get isLocked(): boolean {
    return this.#locked !== null;
  }

  /** What the offer says of money, and how it is locked; nothing where nothing is charged. */
  async plan(
    quote: Quote | null,
    timeouts: JobInit['timeouts'],
    options: AbortOptions,
  ): Promise<Pick<JobInit, 'payment' | 'lock' | 'timeouts'>> {
    if (quote?.pay == null) return {};
    if (this.#payments === null) throw new QvacError('E_LIMIT', 'this provider wants to be paid');
    const { maxTokens, maxPrice, locking } = this.#init;
    const paying = await this.#payments.open(options);
    const payment = await paying.plan(quote, { maxTokens, maxPrice }, options);
    return {
      payment,
      // Its view of the chain may be behind ours.
      timeouts: { acceptMs: paidAcceptMs, ...timeouts },
      lock: async (order) => {
        locking(BigInt(payment.amount));
        this.#locked = await paying.lock({ ...order, quote }, options);
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
    return (await this.#locked?.settle(answer, options)) ?? null;
  }

  /**
   * There is no whole answer.
   * @param received what came of it, null where nothing did
   * @returns after a moment what became of the money, or where it is; null where nothing was locked
   */
  async giveUp(received: BrokenOff | null): Promise<Settlement | null> {
    if (this.#locked === null) return null;
    const settled = await raceSignal(this.#locked.abandon(received ?? undefined), AbortSignal.timeout(giveUpMs)).catch(
      () => null,
    );
    return settled ?? this.#locked.standing;
  }
}
