import { minAuditWorth } from './constants.ts';
import type { Standing } from './reputation.ts';

/**
 * How likely an answer is audited that its receiver takes on trust: the answer's price divided by what this provider
 * earned with answers that passed a full check. So a newcomer's first answers are audited for certain, and what a
 * provider can take by cheating on an established name stays in proportion to what it gave for the name.
 * @param leastRate the probability for an established provider, 0 … 1
 * @returns 0 … 1, in whole millionths
 */
export function auditRateOf(
  { usable, verifiedLamports }: Pick<Standing, 'usable' | 'verifiedLamports'>,
  priceLamports: bigint,
  leastRate: number,
): number {
  const worth = worthOf(priceLamports);
  if (!usable || verifiedLamports <= worth) return 1;
  const rate = Math.min(1, Math.max(leastRate, worth / verifiedLamports));
  return Math.round(rate * 1e6) / 1e6;
}

/** What a checked answer counts for, in lamports: a free one is worth a little, too. */
export function worthOf(priceLamports: bigint): number {
  return Math.max(minAuditWorth, Number(priceLamports));
}
