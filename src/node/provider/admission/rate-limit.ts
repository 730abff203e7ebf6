import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import type { PeerIdString } from '../../../lib/types.ts';

export interface RateLimitInit {
  /** Sustained requests per second of one peer. */
  readonly perSecond: number;
  /** Requests that a peer may make at once after a pause. */
  readonly burst: number;
  /** Peers to keep track of. @default 4096 */
  readonly maxPeers?: number | undefined;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
}

/** Limits the request rate of each peer. */
export interface RateLimit {
  /** Whether `peer` may make one request now; counts it if so. */
  take(peer: PeerIdString): boolean;
  /** Counts further requests of a peer, also those beyond its limit: it has to wait for them. */
  charge(peer: PeerIdString, requests: number): void;
}

/** The generic cell rate algorithm (GCRA), one cell per peer. A peer that paused long enough uses no memory. */
export function createRateLimit({
  perSecond,
  burst,
  maxPeers = 4096,
  monotonic = monotonicMs,
}: RateLimitInit): RateLimit {
  const intervalMs = 1000 / perSecond;
  const toleranceMs = intervalMs * (burst - 1);
  const theoreticalArrival = new Map<PeerIdString, number>();

  function forgetQuiet(now: number): void {
    for (const [peer, arrival] of theoreticalArrival) if (arrival <= now) theoreticalArrival.delete(peer);
  }

  return {
    take(peer) {
      const now = monotonic();
      const arrival = Math.max(theoreticalArrival.get(peer) ?? now, now);
      if (arrival - now > toleranceMs) return false;
      if (theoreticalArrival.size >= maxPeers && !theoreticalArrival.has(peer)) {
        forgetQuiet(now);
        if (theoreticalArrival.size >= maxPeers) return false;
      }
      theoreticalArrival.set(peer, arrival + intervalMs);
      return true;
    },
    charge(peer, requests) {
      const now = monotonic();
      const arrival = Math.max(theoreticalArrival.get(peer) ?? now, now);
      theoreticalArrival.set(peer, arrival + requests * intervalMs);
    },
  };
}
