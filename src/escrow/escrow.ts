import type { AbortOptions } from '../lib/types.ts';
import type { SigningKey } from '../proofs/signing.ts';
import type {
  ChannelAccount,
  ChannelOutcome,
  EvidenceAccount,
  JobAccount,
  JobOutcome,
  ProviderAccount,
} from './accounts.ts';

// What the rest of qvac does with money. Amounts are lamports, keys, addresses and digests are 32 bytes, times are unix
// milliseconds by the chain's clock, bodies the bytes of the protocol's fixed layouts.

/** A transaction that was executed. */
export interface Executed {
  /** base58 */
  readonly signature: string;
  /** What the network took. */
  readonly fee: bigint;
}

/** A body and its node's signature, 64 bytes. */
export interface SignedBody {
  readonly body: Uint8Array;
  readonly sig: Uint8Array;
}

/** A step of an answer with its place in the tree (protocol section 4.1). */
export interface ProvenStep {
  readonly i: number;
  readonly token: number;
  readonly prefix: Uint8Array;
  /** 16 bytes; not used without candidates. */
  readonly salt: Uint8Array;
  /** In the order in which they were committed; null in mode zk. */
  readonly candidates: readonly (readonly [id: number, q: number])[] | null;
  readonly exact: Uint8Array;
  readonly zk: Uint8Array;
  /** From the leaf up. */
  readonly path: readonly Uint8Array[];
}

/** A job as the calls on it need it. */
export type JobKey = Pick<JobAccount, 'address' | 'client' | 'provider'>;

/** A channel as the calls on it need it. */
export type ChannelKey = Pick<ChannelAccount, 'address' | 'payer' | 'provider'>;

/** The answer that a challenge or a proof is about: in a job's own account, or in a channel. */
export type Subject =
  | { readonly job: JobAccount }
  | { readonly evidence: EvidenceAccount; readonly channel: ChannelKey };

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
export interface Escrow extends EscrowReader, EscrowWriter {
  /** CAIP-2 id of the chain. */
  readonly chain: string;
  /** The chain's genesis hash, which channel terms name. */
  readonly genesis: Uint8Array;
  readonly program: Uint8Array;
  /** Null: only reads. */
  readonly wallet: Uint8Array | null;

  /** @param address default: the wallet */
  balance(address?: Uint8Array, options?: AbortOptions): Promise<bigint>;
  /**
   * Lamports from a network that gives them away. @throws QvacError E_CHAIN where this one does not, E_USAGE for an
   * amount that cannot be given
   */
  airdrop(lamports: bigint, options?: AbortOptions): Promise<void>;
}

/** What needs no wallet. Lists may be large: a provider is found by its authority or node. */
export interface EscrowReader {
  /** Lamports that an account of this size holds until it is closed. */
  rent(bytes: number, options?: AbortOptions): Promise<bigint>;
  /** The chain's time. */
  now(options?: AbortOptions): Promise<number>;

  provider(authority: Uint8Array, options?: AbortOptions): Promise<ProviderAccount | null>;
  /** The accounts that bound this node; more than one where its owner has several wallets. */
  providersOfPeer(peer: Uint8Array, options?: AbortOptions): Promise<readonly ProviderAccount[]>;
  providers(options?: AbortOptions): Promise<readonly ProviderAccount[]>;

  jobAddress(client: Uint8Array, jobId: Uint8Array): Uint8Array;
  /** The job at this address, or null where it has ended or was not created yet. */
  job(address: Uint8Array, options?: AbortOptions): Promise<JobAccount | null>;
  /** Jobs that have not ended, of a paying wallet or of a provider's authority. */
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
  jobOutcome(address: Uint8Array, options?: AbortOptions): Promise<JobOutcome | null>;

  /** @param id the protocol's channel id */
  channelAddress(id: Uint8Array): Uint8Array;
  /** The channel at this address, or null where it has ended or was not opened yet. */
  channel(address: Uint8Array, options?: AbortOptions): Promise<ChannelAccount | null>;
  /** Channels that have not ended, of a paying wallet or of a provider's authority. */
  channels(
    filter: { readonly payer: Uint8Array } | { readonly provider: Uint8Array },
    options?: AbortOptions,
  ): Promise<readonly ChannelAccount[]>;
  /** Waits until `ready` holds for the channel. @throws the signal's reason */
  waitForChannel(
    address: Uint8Array,
    ready: (channel: ChannelAccount | null) => boolean,
    options?: AbortOptions,
  ): Promise<ChannelAccount | null>;
  /** How the channel at this address ended, or null where it did not. */
  channelOutcome(address: Uint8Array, options?: AbortOptions): Promise<ChannelOutcome | null>;

  /** @param channel address of the channel's account */
  evidenceAddress(channel: Uint8Array, jobId: Uint8Array): Uint8Array;
  evidence(address: Uint8Array, options?: AbortOptions): Promise<EvidenceAccount | null>;
  /** Of a channel's account, of a wallet that paid the rent, or about answers of a provider's node. */
  evidences(
    filter: { readonly channel: Uint8Array } | { readonly rentPayer: Uint8Array } | { readonly peer: Uint8Array },
    options?: AbortOptions,
  ): Promise<readonly EvidenceAccount[]>;
}

/** What the wallet signs: one transaction each. */
export interface EscrowWriter {
  register(init: { readonly node: SigningKey; readonly stake: bigint }, options?: AbortOptions): Promise<Executed>;
  rotatePeer(init: { readonly node: SigningKey }, options?: AbortOptions): Promise<Executed>;
  /** @param authority whose stake; default: the wallet's own */
  addStake(lamports: bigint, authority?: Uint8Array, options?: AbortOptions): Promise<Executed>;
  withdraw(lamports: bigint, options?: AbortOptions): Promise<Executed>;

  /** Locks the price of what the offer covers. @param init `offer` is its body, `authority` the quote's payee */
  createJob(
    init: { readonly authority: Uint8Array; readonly offer: Uint8Array },
    options?: AbortOptions,
  ): Promise<Executed>;
  /** Gives all back: as the provider at any time, as anyone from `refundAt` on. */
  refundJob(job: JobKey, options?: AbortOptions): Promise<Executed>;
  /** @param init `head` is the final head's body, `ack` the client's last acknowledgement */
  submitJob(
    job: JobKey & Pick<JobAccount, 'clientPeer'>,
    init: { readonly head: Uint8Array; readonly ack: SignedBody },
    options?: AbortOptions,
  ): Promise<Executed>;
  /** Pays: as the client at any time, as anyone from `releaseAt` on. */
  confirmJob(job: JobKey, options?: AbortOptions): Promise<Executed>;
  /** Burns what the provider would have got. */
  rejectJob(
    job: JobKey & Pick<JobAccount, 'submitted'>,
    verdictDigest: Uint8Array,
    options?: AbortOptions,
  ): Promise<Executed>;

  /** Locks the deposit of the terms, which the provider's node signed. */
  openChannel(terms: SignedBody, options?: AbortOptions): Promise<Executed>;
  topUpChannel(channel: ChannelKey, lamports: bigint, options?: AbortOptions): Promise<Executed>;
  /** Shows the chain an acknowledgement; what it releases is paid. */
  settleChannel(
    channel: ChannelKey & Pick<ChannelAccount, 'clientPeer'>,
    ack: SignedBody,
    options?: AbortOptions,
  ): Promise<Executed>;
  /** Closes at once, with the client's acknowledgement of stop 2. */
  closeChannel(
    channel: ChannelKey & Pick<ChannelAccount, 'clientPeer'>,
    ack: SignedBody,
    options?: AbortOptions,
  ): Promise<Executed>;
  /** Begins to close without the other side. */
  requestCloseChannel(channel: ChannelKey, options?: AbortOptions): Promise<Executed>;
  /** Has what is committed and not released burnt in the end. */
  rejectChannel(channel: ChannelKey, verdictDigest: Uint8Array, options?: AbortOptions): Promise<Executed>;
  /** Ends a closing channel from `finishAt` on. */
  finishChannel(channel: ChannelKey, options?: AbortOptions): Promise<Executed>;

  /** Keeps an answer of a channel for proofs: `offer` is the body, `head` any head of it. Only the payer's side may. */
  createEvidence(
    channel: Pick<ChannelAccount, 'address' | 'peer'>,
    init: { readonly offer: Uint8Array; readonly head: SignedBody },
    options?: AbortOptions,
  ): Promise<Executed>;
  /** Gets the rent back once the channel has ended. */
  closeEvidence(evidence: EvidenceAccount, options?: AbortOptions): Promise<Executed>;
  /** Demands that the provider open steps of an answer. */
  challenge(subject: Subject, positions: readonly number[], options?: AbortOptions): Promise<Executed>;
  /** Opens a challenged step. */
  answerChallenge(subject: Subject, step: ProvenStep, options?: AbortOptions): Promise<Executed>;
  /** For a challenge that was not answered in time. */
  slashSilence(subject: Subject, options?: AbortOptions): Promise<Executed>;
  /** With two heads of this answer that contradict each other, or one that contradicts what the chain keeps. */
  slashEquivocation(
    subject: Subject,
    heads: readonly [SignedBody] | readonly [SignedBody, SignedBody],
    options?: AbortOptions,
  ): Promise<Executed>;
  /** With an opened step whose token was not drawn. */
  slashSampler(subject: Subject, step: ProvenStep, options?: AbortOptions): Promise<Executed>;
}
