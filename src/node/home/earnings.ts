import { messageOf } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { createJsonFile, type JsonFile } from '../../lib/json-file.ts';
import { type Logger, silentLogger } from '../../lib/log.ts';

/** The payments of one day (UTC). */
export interface Earned {
  readonly payments: number;
  readonly lamports: bigint;
}

/** The payments to a provider by day, across its runs. */
export interface Earnings {
  /** Counts one payment that arrived. Never throws. */
  add(lamports: bigint): Promise<void>;
}

const maxDays = 31;
const dayMs = 86_400_000;

const nothing: Earned = { payments: 0, lamports: 0n };
const dayOf = (unixMs: number): string => new Date(unixMs - (unixMs % dayMs)).toISOString().slice(0, 10);

type EarnedByDay = ReadonlyMap<string, Earned>;

/** @param path of a file that only one process writes */
export function createEarnings(
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  path: string,
): Earnings {
  const file = earningsFile(path, logger);
  return {
    async add(lamports) {
      const day = dayOf(clock.now());
      await file
        .update((days) => {
          const { payments, lamports: before } = days?.get(day) ?? nothing;
          const all = new Map(days ?? []).set(day, { payments: payments + 1, lamports: before + lamports });
          return new Map([...all].toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(-maxDays));
        })
        .catch((error: unknown) => logger.warn('a payment is missing in the earnings', { reason: messageOf(error) }));
    },
  };
}

/** The payments of the day (UTC) of `unixMs`. None if the file is missing or damaged. */
export async function earnedOn(path: string, unixMs: number): Promise<Earned> {
  return (await earningsFile(path, silentLogger).read())?.get(dayOf(unixMs)) ?? nothing;
}

function earningsFile(path: string, logger: Logger): JsonFile<EarnedByDay> {
  return createJsonFile(path, { what: 'the earnings by day', onDamaged: 'start-anew', logger, toJson, parse });
}

function toJson(days: EarnedByDay): unknown {
  return Object.fromEntries(
    [...days].map(([day, { payments, lamports }]) => [day, { payments, lamports: lamports.toString() }]),
  );
}

/** Leaves out days that are not well-formed. */
function parse(json: unknown): EarnedByDay | null {
  if (typeof json !== 'object' || json === null) return null;
  const days = new Map<string, Earned>();
  for (const [day, each] of Object.entries(json) as readonly (readonly [string, unknown])[]) {
    if (typeof each !== 'object' || each === null || !/^\d{4}-\d\d-\d\d$/.test(day)) continue;
    const { payments, lamports } = each as Readonly<Record<string, unknown>>;
    if (Number.isSafeInteger(payments) && typeof lamports === 'string' && /^\d{1,20}$/.test(lamports))
      days.set(day, { payments: payments as number, lamports: BigInt(lamports) });
  }
  return days;
}
