import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { createJsonFile } from '../../lib/json-file.ts';
import type { Logger } from '../../lib/log.ts';
import { startAccountFile } from './account-file.ts';
import type { Reach } from './reach.ts';
import type { RunEntry } from './run-files.ts';

/** What a running `serve`, `route` or `relay` does now, for `qvac status`. */
export interface Activity {
  /** Unix milliseconds of this record. */
  readonly at: number;
  /** Peers with an open connection. */
  readonly peers: number;
  /** How others reach it, as far as the connections of this run show. */
  readonly reach: Reach;
  /** `name quant` of the models that it serves or verifies with. */
  readonly models: readonly string[];
  /** What it relays; null for a node that is not a relay. */
  readonly relay: RelayStats | null;
  /** Null unless it is a provider. */
  readonly slots: { readonly total: number; readonly used: number; readonly waiting: number } | null;
  /** Measured at the start; null unless it is a provider. */
  readonly tokensPerSecond: number | null;
  /** Lamports per 1,000 tokens; null unless it is a provider. */
  readonly price: { readonly in: number; readonly out: number } | null;
  /** Questions of this run: accepted, finished and failed; `refused` counts by code. */
  readonly taken: number;
  readonly finished: number;
  readonly failed: number;
  /** Of the finished answers: their tokens, and their time in ms. */
  readonly tokens: number;
  readonly busyMs: number;
  readonly refused: Readonly<Record<string, number>>;
  /** Unix milliseconds of the newest question, refused ones included. */
  readonly lastAskedAt: number | null;
}

/** What a relay does now, and what it has done in this run. */
export interface RelayStats {
  /** Nodes that can be reached through it. */
  readonly reservations: number;
  readonly circuits: number;
  /** Forwarded, both ways together. */
  readonly bytes: number;
  /** Refused requests by the limit or reason. */
  readonly refused: Readonly<Record<string, number>>;
}

/** Counts questions and writes the counts, at most once a second. */
export interface ActivityLog {
  taken(): void;
  /** @param tokens of the answer, and its time in ms, if known */
  finished(tokens?: number, ms?: number): void;
  failed(): void;
  refused(code: string): void;
  /** What it relays has changed. */
  relayed(): void;
  /** Never throws. */
  stop(): Promise<void>;
}

export interface ActivityInit {
  /** The home's `run` folder. */
  readonly dir: string;
  readonly role: RunEntry['role'];
  /** The state of this moment. */
  now(): Pick<Activity, 'peers' | 'reach' | 'relay' | 'models' | 'slots' | 'tokensPerSecond' | 'price'>;
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
    relayed: () => file.changed(),
    stop: () => file.stop(),
  };
}

/** What the role's process of this home last wrote about itself, or null. `RunFiles` says whether it still runs. */
export function readActivity(dir: string, role: RunEntry['role']): Promise<Activity | null> {
  const what = 'the activity of a node';
  return createJsonFile(pathOf(dir, role), {
    what,
    onDamaged: 'start-anew',
    toJson: (activity) => activity,
    parse,
  }).read();
}

function parse(json: unknown): Activity | null {
  if (typeof json !== 'object' || json === null) return null;
  const { at, peers, reach, models, taken, tokens } = json as Readonly<Record<string, unknown>>;
  // This program wrote it into its owner's folder: these fields show that it is whole.
  return typeof at === 'number' &&
    typeof peers === 'number' &&
    typeof reach === 'object' &&
    reach !== null &&
    Array.isArray(models) &&
    typeof taken === 'number' &&
    typeof tokens === 'number'
    ? (json as Activity)
    : null;
}
