import { QvacError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';

/** Jobs that may wait before the speed is measured, and on the slowest machine. */
export const minQueue = 8;
/** Jobs that may wait on the fastest machine: each holds its prompt in memory. */
const maxQueue = 256;
/** What a client waits for a whole answer if it names no time. */
const patienceMs = 600_000;
/** Half of what a client asks for if it names no number: most answers end by themselves. */
const usualTokens = 256;

/** Jobs that a machine of that speed, in tokens per second, answers in the time that a client waits. */
export function queueFor(tokensPerSecond: number): number {
  const answers = Math.floor((tokensPerSecond * patienceMs) / (1_000 * usualTokens));
  return Math.min(maxQueue, Math.max(minQueue, answers));
}

/** Numbered places with a line in front. */
export interface Slots {
  readonly total: number;
  readonly used: number;
  readonly waiting: number;
  /**
   * The number of a free place, first come first served.
   * @throws QvacError E_BUSY if the line is full; the signal's reason where it aborts
   */
  take(options?: AbortOptions): Promise<number>;
  give(slot: number): void;
  /** Sends everyone in the line away. */
  close(reason: unknown): void;
}

interface Waiter {
  accept(slot: number): void;
  reject(reason: unknown): void;
}

/** @param maxWaiting most jobs in the line, asked for at each arrival */
export function createSlots(total: number, maxWaiting: () => number): Slots {
  const free = Array.from({ length: total }, (_, at) => at);
  const line: Waiter[] = [];
  return {
    total,
    get used() {
      return total - free.length;
    },
    get waiting() {
      return line.length;
    },
    async take({ signal } = {}) {
      signal?.throwIfAborted();
      const slot = free.shift();
      if (slot !== undefined) return slot;
      if (line.length >= maxWaiting())
        throw new QvacError('E_BUSY', `all ${total} slots are taken and ${line.length} wait`, {
          hint: 'try again soon',
        });
      return await new Promise<number>((accept, reject) => {
        const leave = (): void => {
          line.splice(line.indexOf(waiter), 1);
          reject(signal?.reason);
        };
        const waiter: Waiter = {
          accept(taken) {
            signal?.removeEventListener('abort', leave);
            accept(taken);
          },
          reject(reason) {
            signal?.removeEventListener('abort', leave);
            reject(reason);
          },
        };
        signal?.addEventListener('abort', leave, { once: true });
        line.push(waiter);
      });
    },
    give(slot) {
      const next = line.shift();
      if (next === undefined) free.push(slot);
      else next.accept(slot);
    },
    close(reason) {
      for (const waiter of line.splice(0)) waiter.reject(reason);
    },
  };
}
