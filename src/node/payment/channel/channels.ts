import type { ChannelAccount, ChannelOutcome } from '../../../escrow/accounts.ts';
import type { AbortOptions, ChannelId, PeerIdString } from '../../../lib/types.ts';
import type { Pay } from '../../../protocol/messages.ts';
import type { ChannelPlace, OpenChannel } from './open-channel.ts';

/** How a client pays: `auto` opens a channel with a provider that it comes back to. */
export const payPolicies = ['auto', 'job', 'channel'] as const;
export type PayPolicy = (typeof payPolicies)[number];

export interface ChannelPolicy {
  readonly pay: PayPolicy;
  /** The most that is deposited in one channel, lamports. */
  readonly maxDepositLamports: bigint;
  /** Channels stay open when this process ends, until they expire or are closed by command. @default false */
  readonly keeps?: boolean | undefined;
  /**
   * The deposit is raised while an answer is written, once the next one may not fit; else the next one waits for it.
   * @default true
   */
  readonly refillsAhead?: boolean | undefined;
  /** Several questions at a time are paid from one channel: its window fits what the provider writes at once. */
  readonly isShared?: boolean | undefined;
}

/** The provider of an answer, before its quote. */
export interface WantedPlace {
  readonly provider: PeerIdString;
  /** Key of its node, 32 bytes. */
  readonly key: Uint8Array;
  readonly pay: Pay;
  /** Answers that it writes at once. */
  readonly slots: number;
  /** The most that the answer can cost. */
  readonly amountLamports: bigint;
  /** @default that of the wallet */
  readonly policy?: PayPolicy | undefined;
  /** Lowers the policy's limit. @default the policy's */
  readonly maxDepositLamports?: bigint | undefined;
  /** Only a channel that is open already pays, with what is left in it. @default false */
  readonly isOpenOnly?: boolean | undefined;
  /** How long it may wait for the end of others where nothing but a channel pays, in ms. @default 2_000 */
  readonly waitMs?: number | undefined;
}

/** The channels that one wallet pays from. Times are unix ms. */
export interface WalletChannels {
  /**
   * A place for one answer in an open channel with its provider, which is opened or topped up first where the policy
   * wants it; null: it is paid from an account of its own.
   * @throws QvacError where the policy allows nothing but a channel, and there is none
   */
  place(wanted: WantedPlace, options?: AbortOptions): Promise<ChannelPlace | null>;
  /** An answer of this provider was paid from an account of its own. */
  paidByJob(key: Uint8Array): void;
  /**
   * Challenges the provider of an answer that it did not open, on the chain, and closes the channel.
   * @throws QvacError E_CHAIN, E_FUNDS, E_HOME
   */
  challenge(place: ChannelPlace, options?: AbortOptions): Promise<void>;
  /** Whether the totals went out on the stream of an answer; if not, another one takes them, in the background. */
  delivered(place: ChannelPlace, isSent: boolean): void;
  /** The provider does not take offers from its channel now. */
  avoid(key: Uint8Array): void;
  /** Opens a channel. @throws QvacError E_ESCROW, E_FUNDS, E_CHAIN, E_BUSY, E_FAILED, E_BAD_PEER, E_NETWORK */
  open(wanted: WantedChannel, options?: AbortOptions): Promise<OpenChannel>;
  /** This home's channels that have not ended, whichever process holds them. @throws QvacError E_HOME, E_CHAIN */
  list(): Promise<readonly ListedChannel[]>;
  /** Adds to the deposit. @throws QvacError E_LOCKED, E_NOT_FOUND, E_FUNDS, E_CHAIN, E_ESCROW */
  topUp(channel: ChannelId, lamports: bigint, options?: AbortOptions): Promise<OpenChannel>;
  /**
   * Begins to close a channel, and goes on until it has ended or waits for somebody.
   * @throws QvacError E_LOCKED, E_NOT_FOUND, E_CHAIN
   */
  close(channel: ChannelId, options?: AbortOptions): Promise<ChannelNews>;
  /** Goes on with what earlier processes left, and closes what expires. @throws QvacError E_CHAIN, E_HOME */
  resume(options?: AbortOptions): Promise<readonly ChannelNews[]>;
  /** Before the process ends: closes what it opened for itself. Never throws. */
  stop(): Promise<void>;
}

export interface ListedChannel {
  readonly channel: OpenChannel;
  /** Null: it was not opened yet, or has ended. */
  readonly account: ChannelAccount | null;
}

export interface WantedChannel {
  readonly provider: PeerIdString;
  readonly key: Uint8Array;
  readonly pay: Pay;
  readonly depositLamports: bigint;
  /** Most that may be unpaid or under way at once, if the provider agrees to that much. */
  readonly windowLamports: bigint;
  /** What it is asked for otherwise. @default the same */
  readonly minWindowLamports?: bigint | undefined;
  readonly isKept: boolean;
}

/** A change of a channel, for the person. Lamports. */
export interface ChannelNews {
  readonly channel: ChannelId;
  readonly provider: PeerIdString;
  /**
   * `opening`: the deposit is about to leave the wallet. `closing`: both close it together now. `requested`: the chain
   * closes it without the provider. `closed`: together.
   * `finished`: after the time for objections. `unopened`: its terms ended. `gone`: the chain has no record of its end.
   */
  readonly state:
    | 'opening'
    | 'opened'
    | 'topped-up'
    | 'closing'
    | 'requested'
    | 'closed'
    | 'finished'
    | 'slashed'
    | 'unopened'
    | 'gone';
  readonly depositLamports: bigint;
  readonly releasedLamports: bigint;
  /** Committed and not released. */
  readonly heldLamports: bigint;
  readonly answers: number;
  /** What the network took of this wallet for it. */
  readonly fees: bigint;
  /** Until when it stays open at most; once it is being closed, from when on the chain ends it. */
  readonly at: number | null;
  /** Where the deposit went; null before its end. */
  readonly outcome: ChannelOutcome | null;
}
