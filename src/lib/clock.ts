import { delay } from './abort.ts';

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

/** The longest timer there is, 24 days, in ms: a longer one would end at once. */
export const maxTimerMs = 2 ** 31 - 1;

/** Measures and waits. A component of parts whose waits decide something, so that tests can end them. */
export interface Timer {
  readonly now: Monotonic;
  /** Resolves after `ms`. @throws the signal's reason if it aborts first */
  delay(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemTimer: Timer = { now: monotonicMs, delay };
