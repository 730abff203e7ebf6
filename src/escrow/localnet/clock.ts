import type { Clock } from '../../lib/clock.ts';

/** Milliseconds of a slot, as on a cluster. */
export const slotMs = 400;
/** Slots for which a blockhash can be used, as on a cluster. */
export const blockhashSlots = 150;

/**
 * The chain's time: the machine's, and what it was put ahead. Never runs back, also not when the machine's does. Slots
 * follow the machine's alone, so that a blockhash stays good when the clock is put ahead.
 */
export interface ChainClock {
  /** Unix milliseconds. */
  now(): number;
  slot(): number;
  /** What was added to the machine's time, in ms. */
  readonly ahead: number;
  putAhead(ms: number): void;
}

export function createChainClock(
  clock: Clock,
  init: { readonly startedAt: number; readonly time: number; readonly ahead: number },
): ChainClock {
  let { ahead } = init;
  let latest = init.time - ahead;
  const machine = (): number => {
    latest = Math.max(latest, clock.now());
    return latest;
  };
  return {
    now: () => machine() + ahead,
    slot: () => Math.floor((machine() - init.startedAt) / slotMs) + 1,
    get ahead() {
      return ahead;
    },
    putAhead(ms) {
      ahead += ms;
    },
  };
}
