import type { AbortOptions, JobId } from '../../../lib/types.ts';
import type { Offer, Pay, Signed } from '../../../protocol/messages.ts';

/** How a provider is paid. A provider without it works for free. */
export interface ProviderPayouts {
  /** Where payment is taken, as the card and the quotes say it. */
  readonly pay: Pay;
  /**
   * Waits until the payment of an offer is locked, and checks that it covers the offer and that the stake covers it.
   * @throws OfferRefusal if it does not; the client is refunded then
   */
  secure(order: AdmittedOrder, options?: AbortOptions): Promise<PaidJob>;
  /** Refunds the client of a refused offer, as soon as possible. Returns at once; never throws. */
  decline(order: PaidOrder): void;
  /** Submits what earlier processes delivered, and has due payments released, from now on. */
  start(): Promise<void>;
  /** Lets running transactions end, for a bounded time. Idempotent. */
  stop(): Promise<void>;
}

/** An offer that pays from a job account. */
export interface PaidOrder {
  readonly jobId: JobId;
  readonly offer: Offer;
}

export interface AdmittedOrder extends PaidOrder {
  /** Tokens of its prompt: often far fewer than were quoted. */
  readonly promptCount: number;
}

/** What the provider is paid for: a final head of its own, and the client's last acknowledgement. */
export interface Deliverable {
  readonly head: Signed;
  readonly ack: Signed;
}

/** A job whose payment is locked. Ends with `deliver` or `decline`. */
export interface PaidJob {
  /** Aborts when the answer must end, so that it can still be submitted in time. */
  readonly late: AbortSignal;
  /**
   * Keeps, on disk when it resolves, what would be submitted if this process ended now: a head of finish 3 over the
   * answer so far.
   * @throws QvacError E_HOME
   */
  keep(state: { readonly head: Signed; readonly ack: Signed | null }): Promise<void>;
  /**
   * To be called before the final head is sent: from then on the answer will be submitted, even by another process.
   * Resolves when that is certain, not when it is submitted.
   * @throws QvacError E_HOME
   */
  deliver(deliverable: Deliverable): Promise<void>;
  /** Nothing is due: refunds the client. After `deliver` it does nothing. */
  decline(): void;
}

/** A change of a payment, for logs and monitoring. */
export interface PaymentNews {
  readonly job: JobId;
  /** `submitted`: the client may still object. `gone`: closed, and the chain has no record of how. */
  readonly state: 'submitted' | 'paid' | 'declined' | 'refunded' | 'rejected' | 'slashed' | 'gone';
  /** What this provider was paid, or will be. */
  readonly lamports: bigint;
}
