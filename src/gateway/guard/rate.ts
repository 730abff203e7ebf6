import type { Clock } from '../../lib/clock.ts';
import { Problem } from '../problem.ts';
import type { Check } from './check.ts';

export interface RateInit {
  /** Sustained requests per second from one address. @default 50 */
  readonly perSecond?: number | undefined;
  /** Requests that one address may send at once. @default 200 */
  readonly burst?: number | undefined;
}

/** How many addresses to track. */
const maxAddresses = 1_024;

/** A token bucket per address. */
export function rateCheck(clock: Clock, { perSecond = 50, burst = 200 }: RateInit = {}): Check {
  const buckets = new Map<string, { left: number; at: number }>();
  return (caller) => {
    const now = clock.now();
    const bucket = buckets.get(caller.remoteAddress) ?? { left: burst, at: now };
    const left = Math.min(burst, bucket.left + (Math.max(0, now - bucket.at) * perSecond) / 1_000);
    buckets.delete(caller.remoteAddress);
    buckets.set(caller.remoteAddress, { left: Math.max(0, left - 1), at: now });
    const [oldest] = buckets.keys();
    if (buckets.size > maxAddresses && oldest !== undefined) buckets.delete(oldest);
    if (left >= 1) return null;
    return new Problem(429, 'E_RATE', `more than ${perSecond} requests per second`, {
      headers: { 'retry-after': '1' },
    });
  };
}
