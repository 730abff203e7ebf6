import type { ChannelAccount } from '../../escrow/accounts.ts';
import { addressText } from '../../escrow/addresses.ts';
import { escrowRules } from '../../escrow/constants.ts';
import { toHex } from '../../lib/bytes.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { ChannelNews, ListedChannel } from '../../node/payment/channel/channels.ts';
import { togetherMs } from '../../node/payment/channel/constants.ts';
import { peerIdOf } from '../../proofs/signing.ts';

/** A channel of a wallet as its owner needs to see it. Amounts are lamports, times unix ms by the chain's clock. */
export interface PageChannel {
  /** Hex. */
  readonly channel: string;
  readonly provider: PeerIdString;
  /** Address of the provider's wallet. */
  readonly payee: string;
  readonly deposit: bigint;
  readonly committed: bigint;
  readonly released: bigint;
  readonly underWay: bigint;
  /** Answers that passed; null: another gateway knows. */
  readonly answers: number | null;
  /**
   * `open`. `closing`: with the provider's help. `alone`: the provider does not help, and the chain has to be asked.
   * `requested`: the chain waits for objections. `due`: that time is over. `rent`: it has ended, apart from the rent of
   * evidence. `elsewhere`: another gateway holds its totals. `commands`: it is closed by `qvac channels`.
   */
  readonly state: 'open' | 'closing' | 'alone' | 'requested' | 'due' | 'rent' | 'elsewhere' | 'commands';
  /** When that state ends at the latest without the person, or can be acted on; null: at any time. */
  readonly at: number | null;
  /** An answer failed and the chain was not told yet; until `objectUntil` it can be. */
  readonly isObjectionDue: boolean;
  readonly objectUntil: number;
}

/** A channel that has ended since the gateway started. */
export type EndedChannel = Pick<ChannelNews, 'channel' | 'provider' | 'state' | 'answers' | 'fees' | 'outcome'>;

/** @param now unix ms of the chain; null for a channel that was never opened, or has ended with nothing left */
export function pageChannelOf({ channel, account }: ListedChannel, now: number): PageChannel | null {
  const { kept, totals, terms, underWayLamports } = channel;
  const held = { answers: kept.answers, underWay: underWayLamports };
  if (account === null) {
    const about = { channel: channel.id, provider: channel.provider, payee: addressText(terms.authority) };
    const nothing = { deposit: 0n, committed: totals.committedLamports, released: totals.releasedLamports };
    return kept.hasEvidence
      ? { ...about, ...nothing, ...held, state: 'rent', at: null, isObjectionDue: false, objectUntil: 0 }
      : null;
  }
  const { committedLamports, releasedLamports } = totals;
  const facts = factsOf(account, committedLamports, releasedLamports);
  const isObjectionDue = channel.hasFailed && account.closing?.rejected !== true;
  return { ...facts, ...held, ...stateOf(channel, account, now), isObjectionDue };
}

/** Of a channel whose totals no page of this gateway holds. */
export function foreignChannelOf(account: ChannelAccount, state: 'elsewhere' | 'commands'): PageChannel {
  const at = account.closing?.finishAt ?? account.expiresAt;
  const facts = factsOf(account, account.committed, account.released);
  return { ...facts, underWay: 0n, answers: null, state, at, isObjectionDue: false };
}

function factsOf(account: ChannelAccount, committed: bigint, released: bigint) {
  return {
    channel: toHex(account.id),
    provider: peerIdOf(account.peer),
    payee: addressText(account.provider),
    deposit: account.deposit,
    committed: larger(committed, account.committed),
    released: larger(released, account.released),
    // Unless the wallet objects, the provider is paid all that is committed then.
    objectUntil: account.closing?.finishAt ?? account.expiresAt + escrowRules.closeWindowMs,
  };
}

function stateOf(
  { kept, hasFailed }: ListedChannel['channel'],
  { closing, validUntil, expiresAt }: ChannelAccount,
  now: number,
): Pick<PageChannel, 'state' | 'at'> {
  if (closing !== null) return { state: now < closing.finishAt ? 'requested' : 'due', at: closing.finishAt };
  if (kept.phase !== 'closing' && !hasFailed) return { state: 'open', at: expiresAt };
  const helpsUntil = hasFailed ? 0 : kept.closingAt + togetherMs;
  const at = Math.max(validUntil, helpsUntil);
  return now < at ? { state: 'closing', at } : { state: 'alone', at: null };
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
