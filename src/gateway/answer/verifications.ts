import type { JobId } from '../../lib/types.ts';

/** Answers that are complete and still being verified. */
export interface Verifications {
  started(receipt: JobId): void;
  ended(receipt: JobId): void;
  /** Whether the verdict on this answer is still to come. */
  isPending(receipt: string): boolean;
  /** Keeps `work` in view until it settles. */
  track(work: Promise<unknown>): void;
  /** Resolves when everything tracked has settled. */
  settled(): Promise<void>;
}

export function createVerifications(): Verifications {
  const pending = new Set<string>();
  const tracked = new Set<Promise<unknown>>();
  return {
    started: (receipt) => void pending.add(receipt),
    ended: (receipt) => void pending.delete(receipt),
    isPending: (receipt) => pending.has(receipt),
    track(work) {
      tracked.add(work);
      const forget = (): void => void tracked.delete(work);
      work.then(forget, forget);
    },
    async settled() {
      await Promise.allSettled(tracked);
    },
  };
}
