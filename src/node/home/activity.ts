import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { readJson } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';
import { startAccountFile } from './account-file.ts';
import type { Reach } from './reach.ts';
import type { RunEntry } from './run-files.ts';

/** What a running `serve` or `route` does now, for `qvac status`. */
export interface Activity {
  /** Unix milliseconds of this account. */
  readonly at: number;
  /** Peers with an open connection. */
  readonly peers: number;
  /** How others reach it, as far as this run's connections tell. */
  readonly reach: Reach;
  /** `name quant` of what it serves or checks with. */
  readonly models: readonly string[];
  /** Null of a router. */
  readonly slots: { readonly total: number; readonly used: number; readonly waiting: number } | null;
  /** Measured at the start, null of a router. */
  readonly tokensPerSecond: number | null;
  /** Lamports per 1,000 tokens, null of a router. */
  readonly price: { readonly in: number; readonly out: number } | null;
  /** In this run: questions taken, finished, failed, and refused by code. */
  readonly taken: number;
  readonly finished: number;
  readonly failed: number;
  /** Of the answers that were finished, and the time that they took, ms. */
  readonly tokens: number;
  readonly busyMs: number;
  readonly refused: Readonly<Record<string, number>>;
  /** Unix milliseconds of the newest question, also of one that was refused. */
  readonly lastAskedAt: number | null;
}

/** Counts what happens and writes it down, at most once a second. */
export interface ActivityLog {
  taken(): void;
  /** @param tokens of the answer, and `ms` that it took, where known */
  finished(tokens?: number, ms?: number): void;
  failed(): void;
  refused(code: string): void;
  /** Never throws. */
  stop(): Promise<void>;
}

export interface ActivityInit {
  /** The home's `run` folder. */
  readonly dir: string;
  readonly role: RunEntry['role'];
  /** What is true at the moment. */
  now(): Pick<Activity, 'peers' | 'reach' | 'models' | 'slots' | 'tokensPerSecond' | 'price'>;
}

const pathOf = (dir: string, role: string): string => join(dir, `${role}-activity.json`);

export function startActivity(
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  { dir, role, now }: ActivityInit,
): ActivityLog {
  const counts = { taken: 0, finished: 0, failed: 0, tokens: 0, busyMs: 0 };
  const refused: Record<string, number> = {};
  let lastAskedAt: number | null = null;
  const file = startAccountFile(
    pathOf(dir, role),
    () => ({ at: clock.now(), ...now(), ...counts, refused, lastAskedAt }) satisfies Activity,
    logger,
  );
  const asked = (): void => {
    lastAskedAt = clock.now();
    file.changed();
  };
  return {
    taken() {
      counts.taken += 1;
      asked();
    },
    finished(tokens = 0, ms = 0) {
      counts.finished += 1;
      counts.tokens += tokens;
      counts.busyMs += ms;
      file.changed();
    },
    failed() {
      counts.failed += 1;
      file.changed();
    },
    refused(code) {
      refused[code] = (refused[code] ?? 0) + 1;
      asked();
    },
    stop: () => file.stop(),
  };
}

/** What the role's process of this home last wrote of itself, or null. Ask `RunFiles` whether it still runs. */
export async function readActivity(dir: string, role: RunEntry['role']): Promise<Activity | null> {
  const value = await readJson(pathOf(dir, role)).catch(() => undefined);
  if (typeof value !== 'object' || value === null) return null;
  const { at, peers, reach, models, taken, tokens } = value as Readonly<Record<string, unknown>>;
  // Written by this program into a folder of this person's own: a glance tells whether it is whole.
  return typeof at === 'number' &&
    typeof peers === 'number' &&
    typeof reach === 'object' &&
    reach !== null &&
    Array.isArray(models) &&
    typeof taken === 'number' &&
    typeof tokens === 'number'
    ? (value as Activity)
    : null;
}
