import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import { OfferRefusal } from '../refusal.ts';
import { createRateLimit } from './rate-limit.ts';

export interface TimeLimitInit {
  /** Share of this thread's time that the offers of one peer may take. */
  readonly share: number;
  /** Time that they may take at once after a pause, in ms. */
  readonly burstMs: number;
  /** Time that this thread has computed, in ms. @default the system's */
  readonly computed?: Monotonic | undefined;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
}

/**
 * Limits the time of each peer's offers: while the text of a long prompt is split into tokens, no other answer goes on
 * and no other peer is heard.
 */
export interface TimeLimit {
  /**
   * Does the work for a peer, and counts the time that it takes even if it throws.
   * @throws OfferRefusal `busy`, before the work, if the peer's offers have taken too much time
   */
  spend<Result>(peer: PeerIdString, work: () => Result): Result;
}

export function createTimeLimit({
  share,
  burstMs,
  computed = threadMs,
  monotonic = monotonicMs,
}: TimeLimitInit): TimeLimit {
  // One request is one millisecond.
  const limit = createRateLimit({ perSecond: 1_000 * share, burst: burstMs, monotonic });
  return {
    spend(peer, work) {
      if (!limit.take(peer)) throw new OfferRefusal('busy', 'the offers of this client take too much time');
      const began = computed();
      try {
        return work();
      } finally {
        limit.charge(peer, computed() - began);
      }
    },
  };
}

/** Node 22 does not measure a single thread: there what else runs on the machine counts, too. */
function threadMs(): number {
  const { threadCpuUsage }: Partial<Pick<NodeJS.Process, 'threadCpuUsage'>> = process;
  if (threadCpuUsage === undefined) return monotonicMs();
  const { user, system } = threadCpuUsage();
  return (user + system) / 1_000;
}
