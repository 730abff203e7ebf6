import type { ProviderAccount } from '../../escrow/escrow.ts';
import { toHex } from '../../lib/bytes.ts';
import type { ChainRecord } from './payments.ts';

/**
 * Maps each node's key, in hex, to its record. If a node is registered several times, the registration with the most
 * stake counts, with the job counts of all of them: the node itself agreed to each.
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
