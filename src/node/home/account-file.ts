import { messageOf } from '../../errors.ts';
import { writeFileAtomic } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';

/** A file in which a running program gives account of itself. */
export interface AccountFile {
  /** There is something new to say. */
  changed(): void;
  /** Says what is new, and no more. Never throws. */
  stop(): Promise<void>;
}

const everyMs = 1_000;
/** Without anything new it is written this often, so that one can see that it is alive, in ticks. */
const quietTicks = 10;

/**
 * Writes what `account` returns, as JSON, at once and then at most once a second.
 * @param path of a file for its owner alone
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
          logger.warn('qvac status will not know what this node does', {
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
