import type { IdlAccounts } from '@coral-xyz/anchor';
import type BN from 'bn.js';
import type { Escrow as EscrowIdl } from '../../../programs/escrow/artifacts/escrow.ts';
import type {
  AnswerTerms,
  ChannelAccount,
  Delivery,
  EvidenceAccount,
  JobAccount,
  ProviderAccount,
  SubmittedAnswer,
} from '../accounts.ts';
import { escrowRules } from '../constants.ts';
import { payoutOf } from '../payout.ts';

// From what Anchor decodes to what the rest of qvac sees: bigint instead of BN, bytes instead of number arrays.

type RawProvider = IdlAccounts<EscrowIdl>['provider'];
type RawJob = IdlAccounts<EscrowIdl>['job'];
type RawChannel = IdlAccounts<EscrowIdl>['channel'];
type RawEvidence = IdlAccounts<EscrowIdl>['evidence'];

const header = 8 + 1 + 1;
/** Where fields begin, for filters on accounts. */
export const offsets = {
  providerPeer: header + 32,
  jobClient: header + 1,
  jobProvider: header + 1 + 32,
  channelPayer: header + 1 + 32,
  channelProvider: header + 1 + 32 + 32,
  evidenceChannel: header,
  evidenceRentPayer: header + 32,
  evidencePeer: header + 32 + 32 + 32,
} as const;

export const bigintOf = (value: BN): bigint => BigInt(value.toString());
/** Seconds of the chain to milliseconds. */
const timeOf = (seconds: BN): number => Number(bigintOf(seconds)) * 1_000;
const bytesOf = (numbers: readonly number[]): Uint8Array => Uint8Array.from(numbers);

export function providerOf(address: Uint8Array, raw: RawProvider): ProviderAccount {
  const [stake, lockedStake] = [bigintOf(raw.stake), bigintOf(raw.lockedStake)];
  return {
    address,
    authority: raw.authority.toBytes(),
    peer: bytesOf(raw.peer),
    stake,
    lockedStake,
    freeStake: stake - lockedStake,
    jobsCompleted: bigintOf(raw.jobsCompleted),
    earned: bigintOf(raw.earned),
    jobsRejected: raw.jobsRejected,
    rejected: bigintOf(raw.rejected),
    jobsSlashed: raw.jobsSlashed,
    bindings: raw.bindings,
    registeredAt: timeOf(raw.registeredAt),
  };
}

export function jobOf(address: Uint8Array, raw: RawJob): JobAccount {
  const createdAt = timeOf(raw.createdAt);
  return {
    address,
    client: raw.client.toBytes(),
    provider: raw.provider.toBytes(),
    amount: bigintOf(raw.amount),
    createdAt,
    refundAt: createdAt + raw.deliverWithin * 1_000,
    submitted: 'submitted' in raw.status ? submittedOf(raw) : null,
    ...termsOf(raw.terms),
  };
}

function submittedOf(raw: RawJob): SubmittedAnswer {
  return {
    ...deliveryOf(raw.delivery),
    at: timeOf(raw.submittedAt),
    releaseAt: timeOf(raw.releaseAt),
    paidCount: raw.delivery.paidCount,
    payout: payoutOf(termsOf(raw.terms), raw.delivery, bigintOf(raw.amount)),
    stakeAtRisk: bigintOf(raw.stakeAtRisk),
  };
}

export function channelOf(address: Uint8Array, raw: RawChannel): ChannelAccount {
  const finishAt = timeOf(raw.closingAt) + escrowRules.closeWindowMs;
  return {
    address,
    id: bytesOf(raw.id),
    payer: raw.payer.toBytes(),
    provider: raw.provider.toBytes(),
    peer: bytesOf(raw.peer),
    clientPeer: bytesOf(raw.clientPeer),
    deposit: bigintOf(raw.deposit),
    committed: bigintOf(raw.committed),
    released: bigintOf(raw.released),
    settled: bigintOf(raw.settled),
    window: bigintOf(raw.window),
    stakeAtRisk: bigintOf(raw.stakeAtRisk),
    openedAt: timeOf(raw.openedAt),
    validUntil: timeOf(raw.validUntil),
    expiresAt: timeOf(raw.expiresAt),
    closing: 'closing' in raw.status ? { finishAt, rejected: raw.rejected } : null,
    challengesOpen: raw.challengesOpen,
    challengesMade: raw.challengesMade,
  };
}

export function evidenceOf(address: Uint8Array, raw: RawEvidence): EvidenceAccount {
  return {
    address,
    channel: raw.channel.toBytes(),
    rentPayer: raw.rentPayer.toBytes(),
    delivery: deliveryOf(raw.delivery),
    ...termsOf(raw.terms),
  };
}

function termsOf(raw: RawJob['terms']): AnswerTerms {
  return {
    jobId: bytesOf(raw.jobId),
    peer: bytesOf(raw.peer),
    clientPeer: bytesOf(raw.clientPeer),
    priceJob: bigintOf(raw.priceJob),
    priceIn: bigintOf(raw.priceIn),
    priceOut: bigintOf(raw.priceOut),
    grace: raw.grace,
    promptTokens: raw.promptTokens,
    maxTokens: raw.maxTokens,
    seed: bytesOf(raw.seed),
    sampler: { temperature: raw.temperature, minP: raw.minP, topP: raw.topP, topK: raw.topK, vocab: raw.vocab },
    start: raw.start,
    mode: raw.mode,
    plain: raw.plain,
  };
}

function deliveryOf(raw: RawJob['delivery']): Delivery {
  const { challenge } = raw;
  return {
    promptCount: raw.promptCount,
    tokenCount: raw.tokenCount,
    root: bytesOf(raw.root),
    textDigest: bytesOf(raw.textDigest),
    finish: raw.finish,
    challenge: challenge.made
      ? {
          open: challenge.positions.filter((_, place) => ((challenge.open >> place) & 1) === 1),
          dueAt: timeOf(challenge.due),
          bond: bigintOf(challenge.bond),
          challenger: challenge.challenger.toBytes(),
        }
      : null,
  };
}
