/** The date. A component of every part that reads or writes dates, so that tests can set it. */
export interface Clock {
  /** Unix milliseconds. Jumps when the system's date is set: durations are measured with `Monotonic`. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** Milliseconds since some moment of this process, on a clock that never goes back. */
export type Monotonic = () => number;

export const monotonicMs: Monotonic = () => performance.now();
