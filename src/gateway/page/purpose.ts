/**
 * What a transaction does, for the person who must approve it. Amounts are lamports as decimal text, `job` and
 * `channel` are hex, times are unix ms by the chain's clock; `deadline` is by this machine's.
 */
export type Purpose = JobPurpose | ChannelPurpose;

interface AboutJob {
  readonly job: string;
  /** Address of the provider's wallet. */
  readonly payee: string;
}

export type JobPurpose =
  /** Locks the highest price of the answer, or of a referee's score; the unused part is refunded. */
  | (AboutJob & {
      readonly kind: 'job_create';
      readonly amount: string;
      readonly provider: string;
      readonly isScore: boolean;
    })
  /** After a failed check: `burnt` is burnt, the rest is refunded. */
  | (AboutJob & {
      readonly kind: 'job_reject';
      readonly burnt: string;
      readonly refunded: string;
      readonly deadline: number;
    })
  /** After a fault that the chain can check: everything is refunded, with compensation from the provider's stake. */
  | (AboutJob & { readonly kind: 'job_slash'; readonly refunded: string; readonly deadline: number })
  /** The provider submitted nothing in time: everything is refunded. */
  | (AboutJob & { readonly kind: 'job_refund'; readonly refunded: string })
  /** Pays the provider, because the client confirms or the time for objections is over; the rest is refunded. */
  | (AboutJob & { readonly kind: 'job_confirm'; readonly paid: string; readonly refunded: string });

interface AboutChannel {
  readonly channel: string;
  /** Address of the provider's wallet. */
  readonly payee: string;
  /** Peer id of the provider's node. */
  readonly provider: string;
}

export type ChannelPurpose =
  /** Deposits for many answers; `client` is the peer id of this gateway's node, which acknowledges them. */
  | (AboutChannel & {
      readonly kind: 'channel_open';
      readonly deposit: string;
      readonly client: string;
      /** CAIP-2 */
      readonly chain: string;
      readonly expiresAt: number;
      /** Held beside the deposit until the channel ends. */
      readonly rent: string;
    })
  /** Adds `amount`, which makes it `deposit`. */
  | (AboutChannel & { readonly kind: 'channel_top_up'; readonly amount: string; readonly deposit: string })
  /** Has the chain close it without the provider. */
  | (AboutChannel & { readonly kind: 'channel_request_close' })
  /** What is committed and not released is burnt instead of paid. */
  | (AboutChannel & { readonly kind: 'channel_reject'; readonly deadline: number })
  /** The time for objections is over: shares the deposit out. */
  | (AboutChannel & { readonly kind: 'channel_finish' })
  /** Shows the chain a failed answer, whose fault it can check; `rent` is held until the channel has ended. */
  | (AboutChannel & { readonly kind: 'evidence_create'; readonly job: string; readonly rent: string })
  /** The chain has checked the fault: everything that is not released is refunded, with compensation. */
  | (AboutChannel & { readonly kind: 'channel_slash'; readonly job: string })
  /** The channel has ended: gets the rent of the evidence back. */
  | { readonly kind: 'evidence_close'; readonly job: string; readonly provider: string };
