import type { AbortOptions } from '../../lib/types.ts';

/** The places in which one model re-executes answers. */
export interface Turns {
  /**
   * A place, first come first served; resolves to what gives it back. One place is never taken by a long one, if there
   * are several: a short answer does not wait behind long checks.
   */
  take(isShort: boolean, options?: AbortOptions): Promise<() => void>;
}

interface Waiter {
  readonly isShort: boolean;
  readonly accept: () => void;
}

/** @param places at least 1 */
export function createTurns(places: number): Turns {
  const line: Waiter[] = [];
  const maxLong = Math.max(1, places - 1);
  let [taken, long] = [0, 0];

  function startNext(): void {
    for (;;) {
      const next = taken < places ? line.find(({ isShort }) => isShort || long < maxLong) : undefined;
      if (next === undefined) return;
      line.splice(line.indexOf(next), 1);
      taken++;
      if (!next.isShort) long++;
      next.accept();
    }
  }

  return {
    take(isShort, { signal } = {}) {
      return new Promise((accept, reject) => {
        signal?.throwIfAborted();
        let isHeld = true;
        const give = (): void => {
          if (!isHeld) return;
          isHeld = false;
          taken--;
          if (!isShort) long--;
          startNext();
        };
        const leave = (): void => {
          line.splice(line.indexOf(waiter), 1);
          reject(signal?.reason);
        };
        const waiter: Waiter = {
          isShort,
          accept() {
            signal?.removeEventListener('abort', leave);
            accept(give);
          },
        };
        signal?.addEventListener('abort', leave, { once: true });
        line.push(waiter);
        startNext();
      });
    },
  };
}
