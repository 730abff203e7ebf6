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

/**
 * Jobs that are answered in the time that a client waits.
 * @param tokensPerSecond of one job alone; all slots together give about the square root of their number as much
 */
export function queueFor(tokensPerSecond: number, slots: number): number {
  const answers = Math.floor((tokensPerSecond * Math.sqrt(slots) * patienceMs) / (1_000 * usualTokens));
  return Math.min(maxQueue, Math.max(minQueue, answers));
}

export interface TakeOptions extends AbortOptions {
  /** Waits however long the line is. @default false */
  readonly isUnderWay?: boolean | undefined;
}

/** Places with a line in front. */
export interface Slots {
  readonly total: number;
  readonly used: number;
  readonly waiting: number;
  /**
   * Takes a free place, first come first served.
   * @throws QvacError E_BUSY if the line is full; the signal's reason where it aborts
   */
  take(options?: TakeOptions): Promise<void>;
  give(): void;
  /** Sends everyone in the line away. */
  close(reason: unknown): void;
}

interface Waiter {
  accept(): void;
  reject(reason: unknown): void;
}

/** @param maxWaiting most jobs in the line, asked for at each arrival */
export function createSlots(total: number, maxWaiting: () => number): Slots {
  let used = 0;
  const line: Waiter[] = [];
  return {
    total,
    get used() {
      return used;
    },
    get waiting() {
      return line.length;
    },
    async take({ signal, isUnderWay = false } = {}) {
      signal?.throwIfAborted();
      if (used < total) {
        used++;
        return;
      }
      if (!isUnderWay && line.length >= maxWaiting())
        throw new QvacError('E_BUSY', `all ${total} slots are taken and ${line.length} wait`, {
          hint: 'try again soon',
        });
      await new Promise<void>((accept, reject) => {
        const leave = (): void => {
          line.splice(line.indexOf(waiter), 1);
          reject(signal?.reason);
        };
        const waiter: Waiter = {
          accept() {
            signal?.removeEventListener('abort', leave);
            accept();
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
    give() {
      const next = line.shift();
      if (next === undefined) used--;
      else next.accept();
    },
    close(reason) {
      for (const waiter of line.splice(0)) waiter.reject(reason);
    },
  };
}
