import type { AbortOptions, JobId } from '../../../lib/types.ts';
import type { Head, Offer, Pay, Quote, Signed } from '../../../protocol/messages.ts';

/** How a provider is paid. Where there is none it works for nothing. */
export interface ProviderPayouts {
  /** Where, as the card and the quotes say it. */
  readonly pay: Pay;
  /**
   * Waits until the chain holds for this job what offer and quote say, and enough stake is free for it. Where that does
   * not come to pass, the client gets its money back as soon as it can.
   * @throws Refusal
   */
  secure(order: PaidOrder, options?: AbortOptions): Promise<PaidJob>;
  /** This offer is not served: gives the client its money back as soon as it can. At once; never throws. */
  decline(order: Pick<PaidOrder, 'jobId' | 'offer'>): void;
  /** Submits what an earlier process delivered, gives back what it did not, and claims what is due, from now on. */
  start(): Promise<void>;
  /** Lets running transactions end, within bounds. Idempotent. */
  stop(): Promise<void>;
}

/** An offer with a payment, and the quote that it takes up. */
export interface PaidOrder {
  readonly jobId: JobId;
  readonly offer: Offer;
  readonly offerSigned: Signed;
  readonly quote: Quote;
}

/** A job whose payment is locked. Ends with one of the two. */
export interface PaidJob {
  /** Aborts when it is too late to submit anything: from then on the client's money is its own again. */
  readonly late: AbortSignal;
  /**
   * Before the final head is sent: it will be submitted from now on, whatever happens to this process. Resolves when
   * that is sure, not when it is submitted.
   * @throws QvacError E_HOME
   */
  deliver(final: Head, cancel: Signed | null): Promise<void>;
  /** No final head will come. */
  decline(): void;
}

/** What became of a payment, for whoever watches. */
export interface PaymentNews {
  readonly job: JobId;
  /** `submitted`: the client has 300 s to object. `gone`: closed, and the chain does not say how. */
  readonly state: 'submitted' | 'paid' | 'declined' | 'refunded' | 'rejected' | 'slashed' | 'gone';
  /** What this provider got, or is to get. */
  readonly lamports: bigint;
}
