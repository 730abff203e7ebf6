import type { Monotonic } from '../../lib/clock.ts';
import { burstSeconds } from './constants.ts';

/** Bounds a rate of bytes: counts them first, and says how long to wait afterwards. */
export class TokenBucket {
  readonly #bytesPerSecond: number;
  readonly #monotonic: Monotonic;
  #allowance: number;
  #at: number;

  /** @param bytesPerSecond 0: no limit */
  constructor(bytesPerSecond: number, monotonic: Monotonic) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#monotonic = monotonic;
    this.#allowance = bytesPerSecond * burstSeconds;
    this.#at = monotonic();
  }

  /** Counts `bytes`. @returns how long nothing more should pass, in ms */
  take(bytes: number): number {
    if (this.#bytesPerSecond === 0) return 0;
    const now = this.#monotonic();
    const earned = ((now - this.#at) / 1000) * this.#bytesPerSecond;
    this.#allowance = Math.min(this.#bytesPerSecond * burstSeconds, this.#allowance + earned) - bytes;
    this.#at = now;
    return this.#allowance >= 0 ? 0 : (-this.#allowance / this.#bytesPerSecond) * 1000;
  }
}
