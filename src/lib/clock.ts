/** What time it is, in unix milliseconds. A part that needs it takes one, so that a test can say what time it is. */
export interface Clock {
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };
