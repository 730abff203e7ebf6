/** What time it is. A component of every part whose behaviour depends on the date, so that tests can set it. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
