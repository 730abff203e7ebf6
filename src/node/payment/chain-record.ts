import type { ProviderAccount } from '../../escrow/accounts.ts';
import { toHex } from '../../lib/bytes.ts';
import type { ChainRecord } from './payments.ts';

/**
 * Maps each node's key, in hex, to its record. If a node is bound by several accounts, the stake of the largest counts,
 * and the bad of all of them: the node itself agreed to each binding, so registering anew does not wash.
 * @param now the chain's time, unix ms
 */
export function recordsOf(accounts: readonly ProviderAccount[], now: number): ReadonlyMap<string, ChainRecord> {
  const records = new Map<string, ChainRecord>();
  for (const { peer, stake, freeStake, earned, rejected, jobsSlashed, registeredAt } of accounts) {
    const key = toHex(peer);
    const ageMs = Math.max(0, now - registeredAt);
    const own: ChainRecord = { stake, freeStake, earned, rejected, slashed: jobsSlashed, ageMs };
    const other = records.get(key);
    records.set(key, other === undefined ? own : merged(own, other));
  }
  return records;
}

function merged(one: ChainRecord, other: ChainRecord): ChainRecord {
  return {
    ...(other.stake >= one.stake ? other : one),
    earned: one.earned + other.earned,
    rejected: one.rejected + other.rejected,
    slashed: one.slashed + other.slashed,
    ageMs: Math.min(one.ageMs, other.ageMs),
  };
}
