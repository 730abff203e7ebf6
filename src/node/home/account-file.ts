import { messageOf } from '../../errors.ts';
import { writeFileAtomic } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';

/** A file in which a running program publishes its state. */
export interface AccountFile {
  /** The state has changed: write it soon. */
  changed(): void;
  /** Writes the last change and stops. Never throws. */
  stop(): Promise<void>;
}

const everyMs = 1_000;
/** Ticks between two writes without a change, which show that the program is alive. */
const quietTicks = 10;

/**
 * Writes the result of `account` as JSON, now and then at most once a second.
 * @param path readable by its owner alone
 */
export function startAccountFile(path: string, account: () => unknown, logger: Logger): AccountFile {
  let changed = false;
  let ticks = 0;
  let writing: Promise<void> = Promise.resolve();
  let complained = false;
  const write = (): void => {
    changed = false;
    const text = `${JSON.stringify(account())}\n`;
    writing = writing
      .then(() => writeFileAtomic(path, text))
      .catch((error: unknown) => {
        if (!complained)
          logger.warn('qvac status cannot show what this node does', {
            reason: messageOf(error),
          });
        complained = true;
      });
  };
  const timer = setInterval(() => {
    ticks += 1;
    if (changed || ticks % quietTicks === 0) write();
  }, everyMs);
  timer.unref();
  write();
  return {
    changed() {
      changed = true;
    },
    async stop() {
      clearInterval(timer);
      if (changed) write();
      await writing;
    },
  };
}
