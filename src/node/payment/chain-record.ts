import type { ProviderAccount } from '../../escrow/escrow.ts';
import { toHex } from '../../lib/bytes.ts';
import type { ChainRecord } from './payments.ts';

/**
 * By the node's key in hex. Of several registrations of one node the one with the most stake counts, and what went
 * wrong under any of them: each was agreed to by the node itself.
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
