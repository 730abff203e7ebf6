import type { AbortOptions, ChannelId, JobId } from '../../../lib/types.ts';
import type { ProposeFrame } from '../../../protocol/frames.ts';
import type { Ack, Offer, Pay, Result, Signed } from '../../../protocol/messages.ts';

/** How a provider is paid. A provider without it works for free. */
export interface ProviderPayouts {
  /** Where payment is taken, as the card and the quotes say it. */
  readonly pay: Pay;
  /**
   * Waits until the payment of an offer is locked, and checks that it covers the offer and that the stake covers it.
   * @throws OfferRefusal if it does not; the client is refunded then
   */
  secure(order: AdmittedOrder, options?: AbortOptions): Promise<PaidJob>;
  /** The channels that clients pay from. Null: it takes none. @default null */
  readonly channels?: ProviderChannels | null | undefined;
  /** Refunds the client of a refused offer, as soon as possible. Returns at once; never throws. */
  decline(order: PaidOrder): void;
  /** Submits what earlier processes delivered, and has due payments released, from now on. */
  start(): Promise<void>;
  /** Lets running transactions end, for a bounded time. Idempotent. */
  stop(): Promise<void>;
}

/** The provider's side of `/qvac/channel/1.0.0` (section 9). */
export interface ProviderChannels {
  /**
   * Signs terms if the stake covers them.
   * @param client key of the node that asks
   * @throws OfferRefusal
   */
  propose(proposal: Proposal, client: Uint8Array): Promise<Signed>;
  /**
   * Takes totals outside the stream of a job: they release jobs whose stream is gone, or close the channel (stop 2).
   * On disk when it resolves.
   * @throws OfferRefusal if they are not taken
   */
  acknowledge(signed: Signed, client: Uint8Array): Promise<void>;
}

export type Proposal = Omit<ProposeFrame, 't'>;

/** An offer that pays. */
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

/** A job whose payment is locked. Ends with `deliver` or `decline`, and its stream with `leave`. */
export interface PaidJob {
  /** Aborts when the answer must end, so that it can still be submitted in time. */
  readonly late: AbortSignal;
  /** Why its channel does not take an acknowledgement that the job's own stream allows; null if it does. */
  refusalOf(ack: Ack): string | null;
  /** Takes an acknowledgement that is not refused; it counts once it is kept. */
  take(ack: Ack, signed: Signed): void;
  /**
   * Keeps, on disk when it resolves, what this provider is paid for if its process ends now: the totals of its channel,
   * or else a head of finish 3 over the answer so far, to be submitted.
   * @param state null: nothing could be submitted yet
   * @throws QvacError E_HOME
   */
  keep(state: KeptState | null): Promise<void>;
  /**
   * Keeps what opens these steps, for a challenge on the chain; written when it resolves.
   * @throws QvacError E_HOME
   */
  keepSteps(steps: Uint8Array): Promise<void>;
  /**
   * To be called before the final head is sent: from then on the answer will be submitted, even by another process.
   * Resolves when that is certain, not when it is submitted.
   * @throws QvacError E_HOME
   */
  deliver(deliverable: Deliverable): Promise<void>;
  /**
   * Submits what was delivered, if anything. To be called once the final head is sent: a provider that is killed in
   * between is paid later, but its client never sees a complete answer. Returns at once; never throws.
   */
  submit(): void;
  /** Nothing is due: refunds the client. After `deliver` it does nothing. */
  decline(): void;
  /** The client's verdict came. */
  verdict(result: Result): void;
  /** The job's stream is gone. Idempotent. */
  leave(): void;
}

export interface KeptState {
  /** Signs a head of finish 3 over the answer so far. */
  head(): Signed;
  /** The last acknowledgement; null before the first. */
  readonly ack: Signed | null;
}

/** A change of a payment, for logs and monitoring. */
export interface PaymentNews {
  readonly job: JobId;
  /** `submitted`: the client may still object. `gone`: closed, and the chain has no record of how. */
  readonly state: 'submitted' | 'paid' | 'declined' | 'refunded' | 'rejected' | 'slashed' | 'gone';
  /** What this provider was paid, or will be. */
  readonly lamports: bigint;
}

/** A change of a channel, for logs and monitoring. */
export interface ChannelNews {
  readonly channel: ChannelId;
  /**
   * `closing`: one side asked the chain to close it. `closed`: together. `finished`: after the time for objections.
   * `gone`: the chain has no record of how it ended.
   */
  readonly state: 'opened' | 'settled' | 'closing' | 'closed' | 'finished' | 'slashed' | 'gone';
  /** What this provider was paid with it. */
  readonly lamports: bigint;
}
