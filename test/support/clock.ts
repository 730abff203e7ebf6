import type { Clock } from '../../src/lib/clock.ts';

/** The real time, moved by what a test says. */
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
