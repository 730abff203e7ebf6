/** The date. A component of every part that reads or writes dates, so that tests can set it. */
export interface Clock {
  /** Unix milliseconds. Jumps when the system's date is set: durations are measured with `Monotonic`. */
  now(): number;
}

export const systemClock: Clock = { now: () => Date.now() };

/** The day where this machine is, `YYYY-MM-DD`. */
export function localDay({ now }: Clock = systemClock): string {
  const date = new Date(now());
  const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0');
  return `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** Milliseconds since some moment of this process, on a clock that never goes back. */
export type Monotonic = () => number;

export const monotonicMs: Monotonic = () => performance.now();
