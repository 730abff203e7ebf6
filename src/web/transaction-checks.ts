import { messageOf } from '../errors.ts';
import { isAccountOf, isChannelAccount, isEvidenceOf, isJobOf } from './derived.ts';
import { sol } from './labels.ts';
import { maxBaseFeeLamports, maxPriorityFeeLamports } from './network-fee.ts';
import {
  type ChannelOpening,
  type ChannelPurpose,
  isChannelPurpose,
  type JobPurpose,
  type Purpose,
} from './purpose.ts';
import { type Decoded, decodeTransaction } from './transaction.ts';

export interface ExpectedTransaction {
  readonly wallet: string;
  /** The escrow program and the chain (CAIP-2), as the gateway names them. */
  readonly program: string;
  readonly chain: string;
  /** The chain's time, unix ms. */
  readonly now: number;
  /** The most that this person lets an answer cost, lamports. */
  readonly limit: bigint;
  /** The most that this person lets a channel hold, lamports. */
  readonly depositLimit: bigint;
  /** What this browser signed to deposit in a channel (hex) of `provider`, lamports; null: nothing. */
  readonly depositedIn: (channel: string, provider: string) => bigint | null;
  /** Whether the wallet has an open channel with that provider. */
  readonly hasOpenChannel: (provider: string) => boolean;
}

/** Places of the accounts that each call names; those of jobs, channels and evidence are derived from their ids. */
interface Places {
  /** The wallet whose money it is. */
  readonly wallet: number;
  readonly provider?: number;
  readonly job?: number;
  readonly channel?: number;
  readonly evidence?: number;
}

const places: Readonly<Record<Purpose['kind'], Places>> = {
  job_create: { wallet: 0, provider: 1, job: 2 },
  job_reject: { wallet: 0, provider: 2, job: 4 },
  // Gives everything back to the client, so it names no provider.
  job_refund: { wallet: 1, job: 2 },
  job_confirm: { wallet: 1, provider: 2, job: 3 },
  job_slash: { wallet: 0, provider: 2, job: 4 },
  channel_open: { wallet: 0, provider: 1, channel: 2 },
  channel_top_up: { wallet: 0, channel: 1 },
  channel_request_close: { wallet: 0, channel: 1 },
  channel_reject: { wallet: 0, channel: 1 },
  channel_finish: { wallet: 0, provider: 1, channel: 3 },
  channel_slash: { wallet: 0, provider: 2, evidence: 5, channel: 6 },
  evidence_create: { wallet: 0, channel: 1, evidence: 2 },
  evidence_close: { wallet: 0, evidence: 3 },
};
/** Of `evidence_close`: the account of a channel that has ended. */
const endedChannelAt = 1;

/** The longest time that a channel stays open, ms: a day, and an hour for clocks that differ. */
const maxChannelMs = 90_000_000;

/** Why `transaction` differs from `purpose`, or null. Never throws. */
export function objection(transaction: Uint8Array, purpose: Purpose, expected: ExpectedTransaction): string | null {
  let decoded: Decoded;
  try {
    decoded = decodeTransaction(transaction);
  } catch (error) {
    return messageOf(error);
  }
  if (decoded.call !== purpose.kind) return 'it does something other than what you were asked to sign';
  const { wallet, program } = expected;
  const at = places[purpose.kind];
  if (decoded.feePayer !== wallet || decoded.accounts[at.wallet] !== wallet) return 'it moves another wallet’s money';
  if (decoded.program !== program) return 'it calls another program';
  if (decoded.fee.base > maxBaseFeeLamports)
    return `its network fee of ${sol(decoded.fee.base)} is above ${sol(maxBaseFeeLamports)}`;
  if (decoded.fee.priority > maxPriorityFeeLamports)
    return `its priority fee of ${sol(decoded.fee.priority)} is above ${sol(maxPriorityFeeLamports)}`;
  if (at.provider !== undefined) {
    const payee = 'payee' in purpose ? purpose.payee : '';
    if (!isAccountOf(decoded.accounts[at.provider] ?? '', payee, program)) return 'it pays someone else';
  }
  return isChannelPurpose(purpose)
    ? channelObjection(decoded, purpose, expected)
    : jobObjection(decoded, purpose, expected);
}

function jobObjection(
  { accounts, offer }: Decoded,
  purpose: JobPurpose,
  { wallet, program, limit }: ExpectedTransaction,
): string | null {
  const { job: jobAt = -1 } = places[purpose.kind];
  if (!isJobOf(accounts[jobAt] ?? '', wallet, purpose.job, program)) return 'it is for another job';
  if (purpose.kind !== 'job_create' || offer === null) return null;
  const { job, amount, provider, payer, isScore } = offer;
  if (isScore !== purpose.isScore) return 'it is for a referee, or is not';
  if (job !== purpose.job || provider !== purpose.provider) return 'it is for another job';
  if (payer !== wallet) return 'it moves another wallet’s money';
  if (amount !== BigInt(purpose.amount)) return 'it locks another amount';
  return amount > limit ? 'it locks more than your limit' : null;
}

function channelObjection(decoded: Decoded, purpose: ChannelPurpose, expected: ExpectedTransaction): string | null {
  const { accounts, added } = decoded;
  const { program, depositLimit, depositedIn } = expected;
  const { channel: channelAt = endedChannelAt, evidence: evidenceAt } = places[purpose.kind];
  const channelAccount = accounts[channelAt] ?? '';
  if ('channel' in purpose && !isChannelAccount(channelAccount, purpose.channel, program))
    return 'it is for another channel';
  if (evidenceAt !== undefined) {
    const job = 'job' in purpose ? purpose.job : '';
    if (!isEvidenceOf(accounts[evidenceAt] ?? '', channelAccount, job, program)) return 'it is for another job';
  }
  if (purpose.kind === 'channel_open') return openingObjection(decoded, purpose, expected);
  if (purpose.kind !== 'channel_top_up' || added === null) return null;
  if (added !== BigInt(purpose.amount)) return 'it deposits another amount';
  const before = depositedIn(purpose.channel, purpose.provider);
  if (before === null) return 'it adds to a channel that this browser did not open';
  return before + added > depositLimit ? 'it deposits more than your limit' : null;
}

function openingObjection(
  { terms }: Decoded,
  purpose: ChannelOpening,
  { wallet, program, chain, now, depositLimit, hasOpenChannel }: ExpectedTransaction,
): string | null {
  if (terms === null || terms.channel !== purpose.channel) return 'it is for another channel';
  if (terms.payer !== wallet) return 'it moves another wallet’s money';
  if (terms.program !== program) return 'it calls another program';
  if (terms.chain !== chain || terms.chain !== purpose.chain) return 'it is for another chain';
  if (terms.payee !== purpose.payee) return 'it pays someone else';
  if (terms.provider !== purpose.provider) return 'it is for another provider';
  if (terms.client !== purpose.client) return 'another node would spend the deposit';
  if (terms.deposit !== BigInt(purpose.deposit)) return 'it deposits another amount';
  if (terms.expiresAt !== purpose.expiresAt) return 'it stays open until another time';
  if (terms.expiresAt > now + maxChannelMs) return 'it stays open for longer than a day';
  if (terms.deposit > depositLimit) return 'it deposits more than your limit';
  return hasOpenChannel(purpose.provider) ? 'you have an open channel with this provider already' : null;
}
