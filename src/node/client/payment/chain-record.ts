import type { ProviderAccount } from '../../../escrow/escrow.ts';
import { toHex } from '../../../lib/bytes.ts';
import { chainPriorJobs, rejectedWeight, slashedWeight } from '../constants.ts';
import type { ChainRecord } from './payments.ts';

/** By the node's key in hex. Of several registrations of one node the one with the most stake counts. */
export function recordsOf(accounts: readonly ProviderAccount[]): ReadonlyMap<string, ChainRecord> {
  const records = new Map<string, ChainRecord>();
  for (const { peer, stake, freeStake, active, jobsCompleted, jobsRefunded, jobsRejected, jobsSlashed } of accounts) {
    const key = toHex(peer);
    if ((records.get(key)?.stake ?? -1n) >= stake) continue;
    records.set(key, { stake, freeStake, active, completed: Number(jobsCompleted), refunded: jobsRefunded, rejected: jobsRejected, slashed: jobsSlashed });
  }
  return records;
}

/** The share of its paid jobs that a provider is expected to serve, 0 … 1: a newcomer 1, since good counts prove little. */
export function chainReliability({ completed, refunded, rejected, slashed }: ChainRecord): number {
  const good = completed + chainPriorJobs;
  return good / (good + refunded + rejected * rejectedWeight + slashed * slashedWeight);
}
