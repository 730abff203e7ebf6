import { messageOf } from '../errors.ts';
import type { Logger } from '../lib/log.ts';

/** The parts of a node that have been started, to be stopped in reverse order. */
export interface Teardown {
  add(stop: () => unknown): void;
  /** Stops every part, the newest first. Logs what fails and goes on. Idempotent. */
  run(): Promise<void>;
}

export function createTeardown(logger: Logger): Teardown {
  const stops: (() => unknown)[] = [];
  return {
    add(stop) {
      stops.push(stop);
    },
    async run() {
      for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) {
        try {
          await stop();
        } catch (error) {
          logger.warn('a part did not stop cleanly', { reason: messageOf(error) });
        }
      }
    },
  };
}
