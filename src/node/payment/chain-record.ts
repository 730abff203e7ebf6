import type { ProviderAccount } from '../../escrow/escrow.ts';
import { toHex } from '../../lib/bytes.ts';
import { chainPriorJobs, rejectedWeight, slashedWeight } from '../selection/constants.ts';
import type { ChainRecord } from './payments.ts';

/**
 * By the node's key in hex. Of several registrations of one node the one with the most stake counts, and what went
 * wrong
 * under any of them: each was agreed to by the node itself.
 */
export function recordsOf(accounts: readonly ProviderAccount[]): ReadonlyMap<string, ChainRecord> {
  const records = new Map<string, ChainRecord>();
  for (const { peer, stake, freeStake, active, jobsCompleted, jobsRefunded, jobsRejected, jobsSlashed } of accounts) {
    const key = toHex(peer);
    const own: ChainRecord = {
      stake,
      freeStake,
      active,
      completed: Number(jobsCompleted),
      refunded: jobsRefunded,
      rejected: jobsRejected,
      slashed: jobsSlashed,
    };
    const other = records.get(key);
    if (other === undefined) {
      records.set(key, own);
      continue;
    }
    const sum = (count: 'completed' | 'refunded' | 'rejected' | 'slashed'): number => own[count] + other[count];
    records.set(key, {
      ...(other.stake >= stake ? other : own),
      completed: sum('completed'),
      refunded: sum('refunded'),
      rejected: sum('rejected'),
      slashed: sum('slashed'),
    });
  }
  return records;
}

/**
 * The share of its paid jobs that a provider is expected to serve, 0 … 1: a newcomer 1, since good counts prove little.
 * A
 * slash was proved, and no number of jobs with oneself makes it good.
 */
export function chainReliability({ completed, refunded, rejected, slashed }: ChainRecord): number {
  const good = completed + chainPriorJobs;
  return good / (good + refunded + rejected * rejectedWeight) / (1 + slashed * slashedWeight);
}
