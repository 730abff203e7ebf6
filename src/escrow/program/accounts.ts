import type { IdlAccounts } from '@coral-xyz/anchor';
import type BN from 'bn.js';
import type { Escrow as EscrowIdl } from '../../../programs/escrow/artifacts/escrow.ts';
import { escrowRules, type JobAccount, type ProviderAccount, type SubmittedHead } from '../escrow.ts';
import { payoutOf } from '../terms.ts';

// From what Anchor decodes to what the rest of qvac sees: bigint instead of BN, bytes instead of number arrays.

type RawProvider = IdlAccounts<EscrowIdl>['provider'];
type RawJob = IdlAccounts<EscrowIdl>['job'];

/** Where fields begin, for filters on accounts. */
export const offsets = {
  providerPeer: 8 + 1 + 1 + 32,
  jobClient: 8 + 1 + 1 + 1 + 32,
  jobProvider: 8 + 1 + 1 + 1 + 32 + 32,
} as const;

export const bigintOf = (value: BN): bigint => BigInt(value.toString());
/** Seconds of the chain to milliseconds. */
const timeOf = (seconds: BN): number => Number(bigintOf(seconds)) * 1_000;
const bytesOf = (numbers: readonly number[]): Uint8Array => Uint8Array.from(numbers);

export function providerOf(address: Uint8Array, raw: RawProvider): ProviderAccount {
  const [stake, lockedStake, asked] = [raw.stake, raw.lockedStake, raw.unstakeAmount].map(bigintOf) as [
    bigint,
    bigint,
    bigint,
  ];
  return {
    address,
    authority: raw.authority.toBytes(),
    peer: bytesOf(raw.peer),
    stake,
    lockedStake,
    freeStake: stake - lockedStake,
    active: stake - asked >= escrowRules.minStakeLamports,
    jobsCreated: bigintOf(raw.jobsCreated),
    jobsCompleted: bigintOf(raw.jobsCompleted),
    jobsRefunded: raw.jobsRefunded,
    jobsRejected: raw.jobsRejected,
    jobsSlashed: raw.jobsSlashed,
    registeredAt: timeOf(raw.registeredAt),
    unstake: asked === 0n ? null : { amount: asked, at: timeOf(raw.unstakeAt) },
  };
}

export function jobOf(address: Uint8Array, raw: RawJob): JobAccount {
  const createdAt = timeOf(raw.createdAt);
  return {
    address,
    jobId: bytesOf(raw.jobId),
    client: raw.client.toBytes(),
    provider: raw.provider.toBytes(),
    peer: bytesOf(raw.peer),
    clientPeer: bytesOf(raw.clientPeer),
    priceIn: bigintOf(raw.priceIn),
    priceOut: bigintOf(raw.priceOut),
    amount: bigintOf(raw.amount),
    stakeAtRisk: bigintOf(raw.stakeAtRisk),
    seed: bytesOf(raw.seed),
    sampler: raw.sampler,
    maxTokens: raw.maxTokens,
    createdAt,
    refundAt: createdAt + escrowRules.jobTimeoutMs,
    number: bigintOf(raw.number),
    submitted: 'submitted' in raw.status ? submittedOf(raw) : null,
  };
}

function submittedOf(raw: RawJob): SubmittedHead {
  const at = timeOf(raw.submittedAt);
  return {
    at,
    claimAt: at + escrowRules.confirmWindowMs,
    root: bytesOf(raw.root),
    textDigest: bytesOf(raw.textDigest),
    promptCount: raw.promptCount,
    tokenCount: raw.tokenCount,
    paidCount: raw.paidCount,
    finish: raw.finish,
    payout: payoutOf(
      { priceIn: bigintOf(raw.priceIn), priceOut: bigintOf(raw.priceOut), amount: bigintOf(raw.amount) },
      raw,
    ),
  };
}
