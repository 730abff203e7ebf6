import type { Clock, Timer } from '../../src/lib/clock.ts';

/** The real time, shifted by a test. */
export interface MovedClock extends Clock {
  move(ms: number): void;
}

export function movedClock(): MovedClock {
  let offset = 0;
  return {
    now: () => Date.now() + offset,
    move(ms) {
      offset += ms;
    },
  };
}

/** A timer whose time stands still until the test advances it. */
export interface ManualTimer extends Timer {
  /** Resolves as soon as something waits. */
  waiting(): Promise<void>;
  /** Ends the waits that are over after `ms`. */
  advance(ms: number): void;
}

export function manualTimer(): ManualTimer {
  let now = 0;
  const waits = new Set<{ readonly until: number; end(): void }>();
  let began = Promise.withResolvers<void>();
  return {
    now: () => now,
    delay: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const onAbort = (): void => {
          waits.delete(wait);
          reject(signal.reason as Error);
        };
        const wait = {
          until: now + ms,
          end(): void {
            waits.delete(wait);
            signal.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        signal.addEventListener('abort', onAbort, { once: true });
        if (ms <= 0) wait.end();
        else {
          waits.add(wait);
          began.resolve();
          began = Promise.withResolvers();
        }
      }),
    waiting: () => (waits.size > 0 ? Promise.resolve() : began.promise),
    advance(ms) {
      now += ms;
      for (const wait of [...waits]) if (wait.until <= now) wait.end();
    },
  };
}
