import { QvacError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';

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

export function createSlots(total: number, most: number): Slots {
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
      if (line.length >= most)
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
