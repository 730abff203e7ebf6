// What the program keeps, as the rest of qvac sees it. Amounts are lamports, keys, addresses and digests are 32 bytes,
// times are unix milliseconds by the chain's clock.

/** A provider's stake and record. */
export interface ProviderAccount {
  readonly address: Uint8Array;
  /** The wallet that registered and may withdraw. */
  readonly authority: Uint8Array;
  /** The node's Ed25519 key. */
  readonly peer: Uint8Array;
  /** What was deposited, payouts and bonds. */
  readonly stake: bigint;
  readonly lockedStake: bigint;
  /** What a new job or channel may put at risk, and what can be withdrawn. */
  readonly freeStake: bigint;
  /** Jobs that were paid from an account of their own. */
  readonly jobsCompleted: bigint;
  /** All payouts. */
  readonly earned: bigint;
  /** Rejections that burnt something. */
  readonly jobsRejected: number;
  /** What they burnt. */
  readonly rejected: bigint;
  readonly jobsSlashed: number;
  /** Number of the node's binding, from 0. */
  readonly bindings: number;
  readonly registeredAt: number;
}

/** What client and provider agreed on for one answer, as far as money and proofs depend on it. */
export interface AnswerTerms {
  readonly jobId: Uint8Array;
  /** The provider's node. */
  readonly peer: Uint8Array;
  /** The client's node, which signs acknowledgements. */
  readonly clientPeer: Uint8Array;
  readonly priceJob: bigint;
  /** Per 1,000 tokens. */
  readonly priceIn: bigint;
  /** Per 1,000 tokens. */
  readonly priceOut: bigint;
  /** Tokens that are paid beyond the acknowledged ones. */
  readonly grace: number;
  /** The most. */
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly seed: Uint8Array;
  /** Hundredths, except the last two. */
  readonly sampler: {
    readonly temperature: number;
    readonly minP: number;
    readonly topP: number;
    readonly topK: number;
    readonly vocab: number;
  };
  /** The first step's place in the whole answer. */
  readonly start: number;
  /** 0 none, 1 merkle, 2 fraud, 3 zk, 4 score. */
  readonly mode: number;
  /** Without `extra`: the draws follow from the candidates alone. */
  readonly plain: boolean;
}

/** The part of a head that the program keeps. */
export interface Delivery {
  readonly promptCount: number;
  readonly tokenCount: number;
  readonly root: Uint8Array;
  readonly textDigest: Uint8Array;
  /** 255: not final, which only an evidence can be. */
  readonly finish: number;
  /** The one challenge that an answer can get. */
  readonly challenge: Challenge | null;
}

/** A demand that the provider open steps of an answer. */
export interface Challenge {
  /** Steps that are not answered yet; none once the challenge is over. */
  readonly open: readonly number[];
  /** From then on silence is slashed. */
  readonly dueAt: number;
  /** What the account holds for the open ones. */
  readonly bond: bigint;
  /** The wallet that put it up. */
  readonly challenger: Uint8Array;
}

/** A job that has not ended. Those that ended have no account: see `JobOutcome`. */
export interface JobAccount extends AnswerTerms {
  readonly address: Uint8Array;
  /** The wallet that paid. */
  readonly client: Uint8Array;
  /** The provider's authority. */
  readonly provider: Uint8Array;
  /** What is locked: the price of all that the offer covers. */
  readonly amount: bigint;
  readonly createdAt: number;
  /** From then on it can be refunded and no longer submitted. */
  readonly refundAt: number;
  /** Null while it is open. */
  readonly submitted: SubmittedAnswer | null;
}

export interface SubmittedAnswer extends Delivery {
  readonly at: number;
  /** From then on anyone can have the provider paid; until then the client can object. */
  readonly releaseAt: number;
  readonly paidCount: number;
  /** What the provider gets. */
  readonly payout: bigint;
  readonly stakeAtRisk: bigint;
}

/** A channel that has not ended. Those that ended have no account: see `ChannelOutcome`. */
export interface ChannelAccount {
  readonly address: Uint8Array;
  /** The protocol's channel id: the digest of the terms. */
  readonly id: Uint8Array;
  /** The wallet that deposited. */
  readonly payer: Uint8Array;
  /** The provider's authority. */
  readonly provider: Uint8Array;
  /** The provider's node. */
  readonly peer: Uint8Array;
  /** The client's node, which signs acknowledgements. */
  readonly clientPeer: Uint8Array;
  readonly deposit: bigint;
  /** The largest totals that the chain was shown. */
  readonly committed: bigint;
  readonly released: bigint;
  /** What was paid out. */
  readonly settled: bigint;
  readonly window: bigint;
  readonly stakeAtRisk: bigint;
  readonly openedAt: number;
  /** It cannot be closed before. */
  readonly validUntil: number;
  /** From then on anyone can ask to close it. */
  readonly expiresAt: number;
  /** Null while it is open. */
  readonly closing: {
    /** From then on anyone can finish it; until then the payer can object. */
    readonly finishAt: number;
    /** The payer objected: what is committed and not released is burnt. */
    readonly rejected: boolean;
  } | null;
  /** Challenges that wait for answers. */
  readonly challengesOpen: number;
  readonly challengesMade: number;
}

/** What is needed to prove something about one answer of a channel. */
export interface EvidenceAccount extends AnswerTerms {
  readonly address: Uint8Array;
  /** Address of the channel's account. */
  readonly channel: Uint8Array;
  /** The wallet that gets the rent back. */
  readonly rentPayer: Uint8Array;
  readonly delivery: Delivery;
}

export type SlashReason = 'silence' | 'equivocation' | 'sampler';

interface Outcome {
  /** The provider's authority. */
  readonly provider: Uint8Array;
  /** Back to who locked it, besides the rent. */
  readonly refunded: bigint;
  /** Destroyed. */
  readonly burnt: bigint;
  /** From the provider's stake to who locked the money. */
  readonly compensation: bigint;
  /** Why it was slashed, else null. */
  readonly reason: SlashReason | null;
  /** Of the transaction that ended it, base58. */
  readonly signature: string;
  /** Null where the chain does not say. */
  readonly at: number | null;
}

/** How a job ended and where its money went. Amounts that do not apply are zero. */
export interface JobOutcome extends Outcome {
  readonly how: 'confirmed' | 'rejected' | 'refunded' | 'slashed';
  readonly jobId: Uint8Array;
  readonly client: Uint8Array;
  /** The wallet that had it confirmed or refunded, else null. The provider's own: it declined. */
  readonly caller: Uint8Array | null;
  /** To the provider. */
  readonly paid: bigint;
}

/** How a channel ended and where its deposit went. Amounts that do not apply are zero. */
export interface ChannelOutcome extends Outcome {
  /** `closed`: together, `finished`: after the payer's time to object. */
  readonly how: 'closed' | 'finished' | 'slashed';
  readonly id: Uint8Array;
  readonly payer: Uint8Array;
  /** To the provider, in all. */
  readonly paid: bigint;
}
