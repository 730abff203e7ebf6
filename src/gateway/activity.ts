import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { readJson } from '../lib/files.ts';
import type { Logger } from '../lib/log.ts';
import { startAccountFile } from '../node/home/account-file.ts';
import type { VerificationOutcome } from './answer/inference-client.ts';

/** The progress of a request: no token has arrived, some have, or all have and verification is running. */
export type QuestionState = 'waiting' | 'answering' | 'checking';

/** A running gateway's activity, for `qvac status`. */
export interface GatewayActivity {
  /** When this was written, unix ms. */
  readonly at: number;
  /** The process that wrote it. */
  readonly pid: number;
  /** Requests in progress, by state. */
  readonly questions: Readonly<Record<QuestionState, number>>;
  /** Counts for the UTC day of `at`, over all runs. */
  readonly today: GatewayDay;
}

export interface GatewayDay {
  readonly answered: number;
  /** Requests without a complete answer. */
  readonly failed: number;
  /** Answers by verification outcome. */
  readonly verified: Readonly<Partial<Record<VerificationOutcome, number>>>;
}

/** Counts requests and writes the counts to a file, at most once a second. */
export interface GatewayActivityLog {
  /** @param now returns the requests in progress */
  start(now: () => GatewayActivity['questions']): void;
  /** A request changed its state. */
  moved(): void;
  answered(): void;
  failed(): void;
  checked(verified: VerificationOutcome): void;
  /** Never throws. */
  stop(): Promise<void>;
}

const dayMs = 86_400_000;
const nothing: GatewayDay = { answered: 0, failed: 0, verified: {} };
const dayOf = (at: number): number => Math.floor(at / dayMs);
const pathOf = (dir: string): string => join(dir, 'gateway-activity.json');

/** @param dir the home's `run` folder */
export async function createGatewayActivity(
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  dir: string,
): Promise<GatewayActivityLog> {
  // Runs from earlier today count as well.
  let today = (await readGatewayActivity(dir, clock.now()))?.today ?? nothing;
  let day = dayOf(clock.now());
  let file: ReturnType<typeof startAccountFile> | null = null;
  const turn = (): GatewayDay => {
    if (dayOf(clock.now()) !== day) [day, today] = [dayOf(clock.now()), nothing];
    return today;
  };
  const count = (change: (before: GatewayDay) => GatewayDay): void => {
    today = change(turn());
    file?.changed();
  };
  return {
    start(now) {
      file ??= startAccountFile(
        pathOf(dir),
        () => ({ at: clock.now(), pid: process.pid, questions: now(), today: turn() }) satisfies GatewayActivity,
        logger,
      );
    },
    moved: () => file?.changed(),
    answered: () => count((before) => ({ ...before, answered: before.answered + 1 })),
    failed: () => count((before) => ({ ...before, failed: before.failed + 1 })),
    checked: (verified) =>
      count((before) => ({
        ...before,
        verified: { ...before.verified, [verified]: (before.verified[verified] ?? 0) + 1 },
      })),
    stop: async () => file?.stop(),
  };
}

/**
 * The activity that a gateway of this home wrote last, or null. `readGatewayRun` says whether it still runs.
 * @param now unix ms; counts from another day are returned as zeros
 */
export async function readGatewayActivity(dir: string, now: number): Promise<GatewayActivity | null> {
  const value = await readJson(pathOf(dir)).catch(() => undefined);
  if (typeof value !== 'object' || value === null) return null;
  const { at, pid, questions, today } = value as Readonly<Record<string, unknown>>;
  // This program wrote the file into a private folder, so a check of its outline is enough.
  if (
    typeof at !== 'number' ||
    typeof pid !== 'number' ||
    typeof questions !== 'object' ||
    questions === null ||
    typeof today !== 'object' ||
    today === null ||
    !('answered' in today) ||
    !('verified' in today)
  )
    return null;
  const activity = value as GatewayActivity;
  return dayOf(at) === dayOf(now) ? activity : { ...activity, today: nothing };
}
