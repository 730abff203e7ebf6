import type { AbortOptions, JobId } from '../../../lib/types.ts';
import type { Head, Offer, Pay, Quote, Signed } from '../../../protocol/messages.ts';

/** How a provider is paid. A provider without it serves free answers only. */
export interface ProviderPayouts {
  /** Chain, program and payee, as in the card and the quotes. */
  readonly pay: Pay;
  /**
   * Waits until the chain holds a payment that matches offer and quote, and checks that the free stake covers the job.
   * If either fails, refunds the client as soon as possible.
   * @throws OfferRefusal
   */
  secure(order: PaidOrder, options?: AbortOptions): Promise<PaidJob>;
  /** Refunds the client of a refused offer as soon as possible, in the background. Never throws. */
  decline(order: Pick<PaidOrder, 'jobId' | 'offer'>): void;
  /** From now on: submits what earlier processes delivered, declines what they did not, and claims what is due. */
  start(): Promise<void>;
  /** Waits for running transactions, for a bounded time. Idempotent. */
  stop(): Promise<void>;
}

/** An offer with a payment, and the quote that it names. */
export interface PaidOrder {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly quote: Quote;
}

/** A job whose payment is locked. Ends with `deliver` or `decline`. */
export interface PaidJob {
  /** Aborts when a submission would come too late: the client can soon take its refund. */
  readonly late: AbortSignal;
  /**
   * To be called before the final head is sent. Resolves once the delivery is on disk, and so will be submitted even
   * after a crash. Does not wait for the submission.
   * @throws QvacError E_HOME
   */
  deliver(final: Head, cancel: Signed | null): Promise<void>;
  /** Refunds the client: no final head will be sent. */
  decline(): void;
}

/** A change in the state of a payment, for logs and monitoring. */
export interface PaymentNews {
  readonly job: JobId;
  /** `submitted`: the client has 300 s to object. `gone`: closed, and the chain has no record of how. */
  readonly state: 'submitted' | 'paid' | 'declined' | 'refunded' | 'rejected' | 'slashed' | 'gone';
  /** The provider's share: received or, if `submitted`, expected. */
  readonly lamports: bigint;
}
