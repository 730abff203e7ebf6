import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { readJson } from '../lib/files.ts';
import type { Logger } from '../lib/log.ts';
import { startAccountFile } from '../node/home/account-file.ts';
import type { VerificationOutcome } from './answer/inference-client.ts';

/** How far a question is: nothing of its answer has come, some of it has, all of it has and is being checked. */
export type QuestionState = 'waiting' | 'answering' | 'checking';

/** What a running gateway does now, for `qvac status`. */
export interface GatewayActivity {
  /** Unix milliseconds of this account. */
  readonly at: number;
  /** The process that wrote it. */
  readonly pid: number;
  /** Questions under way, by how far they are. */
  readonly questions: Readonly<Record<QuestionState, number>>;
  /** On the day (UTC) of this account, in whichever run. */
  readonly today: GatewayDay;
}

export interface GatewayDay {
  readonly answered: number;
  /** Questions that had no whole answer. */
  readonly failed: number;
  /** Answers by how far they were checked. */
  readonly verified: Readonly<Partial<Record<VerificationOutcome, number>>>;
}

/** Counts what happens and writes it down, at most once a second. */
export interface GatewayActivityLog {
  /** @param now questions under way */
  start(now: () => GatewayActivity['questions']): void;
  /** A question went on. */
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
  // What earlier runs did today counts, too.
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
 * What a gateway of this home last wrote of itself, or null. Ask `readGatewayRun` whether it still runs.
 * @param now unix ms: of another day nothing is told
 */
export async function readGatewayActivity(dir: string, now: number): Promise<GatewayActivity | null> {
  const value = await readJson(pathOf(dir)).catch(() => undefined);
  if (typeof value !== 'object' || value === null) return null;
  const { at, pid, questions, today } = value as Readonly<Record<string, unknown>>;
  // Written by this program into a folder of this person's own: a glance tells whether it is whole.
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
