import { QvacError } from '../errors.ts';
import type { AbortOptions } from '../lib/types.ts';
import type { SigningKey } from '../proofs/signing.ts';
import type { OpenedStep, Signed } from '../protocol/messages.ts';

// What the rest of qvac sees of money. Amounts are lamports, keys, addresses and digests are 32 bytes, times are unix
// milliseconds by the chain's clock.

/** The numbers of the program: programs/escrow/src/constants.rs. */
export const escrowRules = {
  minStakeLamports: 100_000_000n,
  /** A job can be submitted so long after its creation, and refunded from then on. */
  jobTimeoutMs: 600_000,
  /** A submitted job can be rejected so long, and claimed from then on. */
  confirmWindowMs: 300_000,
  unstakeCooldownMs: 3_600_000,
  /** Stake at risk for a job, as a multiple of its amount. */
  slashMultiple: 10n,
  /** Bytes of a job's account; the rent for them comes back when it is closed. */
  jobAccountBytes: 347,
  providerAccountBytes: 174,
} as const;

/** A provider's stake and record. */
export interface ProviderAccount {
  readonly address: Uint8Array;
  /** The wallet that is paid. */
  readonly authority: Uint8Array;
  /** The node's Ed25519 key. */
  readonly peer: Uint8Array;
  readonly stake: bigint;
  readonly lockedStake: bigint;
  /** What a new job may put at risk. */
  readonly freeStake: bigint;
  /** Whether it is offered jobs: its stake, without what was asked back, is at least the minimum. */
  readonly active: boolean;
  readonly jobsCreated: bigint;
  readonly jobsCompleted: bigint;
  readonly jobsRefunded: number;
  readonly jobsRejected: number;
  readonly jobsSlashed: number;
  readonly registeredAt: number;
  /** Stake that was asked back and from when it can be withdrawn. */
  readonly unstake: { readonly amount: bigint; readonly at: number } | null;
}

/** What a client pays for, as the program keeps it. */
export interface JobTerms {
  readonly jobId: Uint8Array;
  /** The provider's node. */
  readonly peer: Uint8Array;
  /** The client's node: the offer's `client`, which signs a cancel. */
  readonly clientPeer: Uint8Array;
  /** Lamports per 1,000 tokens. */
  readonly priceIn: bigint;
  readonly priceOut: bigint;
  /** The most that the answer can cost. */
  readonly amount: bigint;
  readonly seed: Uint8Array;
  readonly sampler: {
    readonly temperature: number;
    readonly minP: number;
    readonly topK: number;
    readonly vocab: number;
  };
  readonly maxTokens: number;
}

/** A job that is not settled. Settled ones have no account: see `JobOutcome`. */
export interface JobAccount extends JobTerms {
  readonly address: Uint8Array;
  /** The wallet that paid. */
  readonly client: Uint8Array;
  /** The provider's authority, which is paid. */
  readonly provider: Uint8Array;
  readonly stakeAtRisk: bigint;
  readonly createdAt: number;
  /** From then on it can be refunded, where it is not submitted. */
  readonly refundAt: number;
  /** Which of the provider's jobs it is; tells a job from an earlier one under the same id. */
  readonly number: bigint;
  /** Null while it is open. */
  readonly submitted: SubmittedHead | null;
}

export interface SubmittedHead {
  readonly at: number;
  /** From then on anyone can have the provider paid; until then the client can reject. */
  readonly claimAt: number;
  readonly root: Uint8Array;
  readonly textDigest: Uint8Array;
  readonly promptCount: number;
  readonly tokenCount: number;
  readonly paidCount: number;
  readonly finish: number;
  /** What the provider gets. */
  readonly payout: bigint;
}

/** The fields of a final head, as a provider submits them. */
export interface Delivery {
  readonly root: Uint8Array;
  readonly textDigest: Uint8Array;
  readonly promptCount: number;
  readonly tokenCount: number;
  readonly finish: number;
  /** With finish 2 and only there: what the client's cancel names, and its signature. */
  readonly cancel: { readonly n: number; readonly sig: Uint8Array } | null;
}

export type SlashReason = 'equivocation' | 'head-mismatch' | 'sampler';

/** How a job ended and where its money went. What is not named is zero. */
export interface JobOutcome {
  readonly how: 'declined' | 'confirmed' | 'rejected' | 'claimed' | 'refunded' | 'slashed';
  readonly jobId: Uint8Array;
  readonly client: Uint8Array;
  readonly provider: Uint8Array;
  /** To the provider. */
  readonly paid: bigint;
  /** Back to the client, besides the rent. */
  readonly refunded: bigint;
  /** To nobody. */
  readonly burnt: bigint;
  /** From the provider's stake to the client. */
  readonly compensation: bigint;
  readonly reason: SlashReason | null;
  readonly signature: string;
  /** Null where the chain does not say. */
  readonly at: number | null;
}

/** A transaction that was executed. */
export interface Executed {
  /** base58 */
  readonly signature: string;
  /** What the network took. */
  readonly fee: bigint;
}

/** A job as seen by whoever acts on it. */
export type JobKey = Pick<JobAccount, 'address' | 'client' | 'provider' | 'jobId'>;

/**
 * A wallet: who pays and is paid. The secret never leaves it; one that a person holds elsewhere takes its time to sign.
 */
export interface WalletKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Ed25519 over a transaction's message. @throws QvacError E_LIMIT where its owner will not sign */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/**
 * One escrow program on one chain, used by one wallet.
 *
 * Every call may throw QvacError E_CHAIN (the chain does not answer, or not in time), E_FUNDS (the wallet holds too
 * little), E_KEY (the wallet signed something else) or a `RefusedError`. A transaction that is sent again after a break
 * is executed at most once. What is read of an account is never older than what was read of any before.
 */
export interface Escrow {
  /** CAIP-2 id of the chain. */
  readonly chain: string;
  readonly program: Uint8Array;
  /** Null: only reads. */
  readonly wallet: Uint8Array | null;

  /** @param address default: the wallet */
  balance(address?: Uint8Array, options?: AbortOptions): Promise<bigint>;
  /** Lamports that an account of so many bytes holds until it is closed. */
  rent(bytes: number, options?: AbortOptions): Promise<bigint>;
  /** The chain's time. */
  now(options?: AbortOptions): Promise<number>;
  /**
   * Lamports from a network that gives them away. @throws QvacError E_CHAIN where this one does not, E_USAGE for no
   * amount that can be given
   */
  airdrop(lamports: bigint, options?: AbortOptions): Promise<void>;

  provider(authority: Uint8Array, options?: AbortOptions): Promise<ProviderAccount | null>;
  /** Whoever registered this node; more than one where its owner has several wallets. */
  providersOfPeer(peer: Uint8Array, options?: AbortOptions): Promise<readonly ProviderAccount[]>;
  providers(options?: AbortOptions): Promise<readonly ProviderAccount[]>;

  register(init: { readonly node: SigningKey; readonly stake: bigint }, options?: AbortOptions): Promise<Executed>;
  rotatePeer(init: { readonly node: SigningKey }, options?: AbortOptions): Promise<Executed>;
  /** @param authority whose stake; default: the wallet's own */
  addStake(lamports: bigint, authority?: Uint8Array, options?: AbortOptions): Promise<Executed>;
  requestUnstake(lamports: bigint, options?: AbortOptions): Promise<Executed>;
  withdraw(options?: AbortOptions): Promise<Executed>;

  jobAddress(client: Uint8Array, jobId: Uint8Array): Uint8Array;
  /** The job at this address, or null where it is settled, or not created yet. */
  job(address: Uint8Array, options?: AbortOptions): Promise<JobAccount | null>;
  /** Jobs that are not settled, of a paying wallet or of a provider's authority. */
  jobs(
    filter: { readonly client: Uint8Array } | { readonly provider: Uint8Array },
    options?: AbortOptions,
  ): Promise<readonly JobAccount[]>;
  /** Waits until `ready` holds for the job. @throws the signal's reason */
  waitForJob(
    address: Uint8Array,
    ready: (job: JobAccount | null) => boolean,
    options?: AbortOptions,
  ): Promise<JobAccount | null>;
  /** How the last job at this address ended, or null where none did. */
  outcome(address: Uint8Array, options?: AbortOptions): Promise<JobOutcome | null>;

  createJob(
    init: { readonly authority: Uint8Array; readonly terms: JobTerms },
    options?: AbortOptions,
  ): Promise<Executed>;
  declineJob(job: JobKey, options?: AbortOptions): Promise<Executed>;
  submitJob(
    job: JobKey & Pick<JobAccount, 'number' | 'clientPeer'>,
    delivery: Delivery,
    options?: AbortOptions,
  ): Promise<Executed>;
  confirmJob(job: JobKey, options?: AbortOptions): Promise<Executed>;
  rejectJob(job: JobKey, verdictDigest: Uint8Array, options?: AbortOptions): Promise<Executed>;
  claimJob(job: JobKey, options?: AbortOptions): Promise<Executed>;
  refundJob(job: JobKey, options?: AbortOptions): Promise<Executed>;
  /** With two heads of this job that contradict each other. */
  slashEquivocation(
    job: JobKey & Pick<JobAccount, 'peer'>,
    heads: readonly [Signed, Signed],
    options?: AbortOptions,
  ): Promise<Executed>;
  /** With a final head of this job that is not the submitted one. */
  slashHeadMismatch(job: JobKey & Pick<JobAccount, 'peer'>, head: Signed, options?: AbortOptions): Promise<Executed>;
  /** With an opened step whose token was not drawn. */
  slashSampler(job: JobKey, step: OpenedStep, options?: AbortOptions): Promise<Executed>;
}

/** Why the program refused, by its own name. */
export type Refusal =
  | 'StakeTooLow'
  | 'StakeLocked'
  | 'ProviderInactive'
  | 'AmountZero'
  | 'InvalidStatus'
  | 'TimeoutNotReached'
  | 'DeadlinePassed'
  | 'ConfirmWindowOpen'
  | 'ConfirmWindowClosed'
  | 'Unauthorized'
  | 'MathOverflow'
  | 'MissingEd25519Instruction'
  | 'MalformedEd25519Instruction'
  | 'SignerMismatch'
  | 'MessageMismatch'
  | 'SameHead'
  | 'PathTooLong'
  | 'RootMismatch'
  | 'TokenFollows'
  | 'TooManyTokens'
  | 'CooldownActive'
  | 'CancelMismatch'
  | 'PeerMismatch'
  | 'InvalidSampler'
  | 'InvalidFinish'
  | 'MalformedHead'
  | 'HeadNotFinal'
  | 'HeadsAgree'
  | 'JobReplaced'
  /** There is no such account: the job is settled already, the provider not registered. */
  | 'NoAccount'
  /** There is such an account already. */
  | 'AccountExists'
  /** Anything else that ended the transaction. */
  | 'Other';

/** The program refused a transaction, and nothing was changed by it. */
export class RefusedError extends QvacError {
  readonly refusal: Refusal;

  constructor(
    refusal: Refusal,
    message: string,
    init: { readonly hint?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super('E_ESCROW', message, { ...init, details: { refusal } });
    this.name = 'RefusedError';
    this.refusal = refusal;
  }
}
