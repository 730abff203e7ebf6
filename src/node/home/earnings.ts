import { messageOf } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { readJson, writeFileAtomic } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';

/** What came in on one day (UTC). */
export interface Earned {
  readonly payments: number;
  readonly lamports: bigint;
}

/** What a provider was paid, by day, across its runs. */
export interface Earnings {
  /** One payment that arrived. Never throws. */
  add(lamports: bigint): Promise<void>;
}

/** As many days as anybody asks for. */
const maxDays = 31;
const dayMs = 86_400_000;

const nothing: Earned = { payments: 0, lamports: 0n };
const dayOf = (unixMs: number): string => new Date(unixMs - (unixMs % dayMs)).toISOString().slice(0, 10);

/** @param path the file that keeps them; one process writes it */
export function createEarnings(
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  path: string,
): Earnings {
  let last: Promise<void> = Promise.resolve();
  const write = async (lamports: bigint): Promise<void> => {
    const days = await read(path);
    const day = dayOf(clock.now());
    const { payments, lamports: before } = days.get(day) ?? nothing;
    days.set(day, { payments: payments + 1, lamports: before + lamports });
    const kept = [...days].toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(-maxDays);
    await writeFileAtomic(
      path,
      `${JSON.stringify(Object.fromEntries(kept.map(([each, earned]) => [each, { payments: earned.payments, lamports: earned.lamports.toString() }])))}\n`,
    );
  };
  return {
    add(lamports) {
      last = last
        .then(() => write(lamports))
        .catch((error: unknown) =>
          logger.warn('what was earned was not written down', {
            reason: messageOf(error),
          }),
        );
      return last;
    },
  };
}

/** What came in on the day (UTC) of `unixMs`. Nothing where the file is missing or damaged. */
export async function earnedOn(path: string, unixMs: number): Promise<Earned> {
  return (await read(path)).get(dayOf(unixMs)) ?? nothing;
}

async function read(path: string): Promise<Map<string, Earned>> {
  const value = await readJson(path).catch(() => undefined);
  const days = new Map<string, Earned>();
  if (typeof value !== 'object' || value === null) return days;
  for (const [day, each] of Object.entries(value) as readonly (readonly [string, unknown])[]) {
    if (typeof each !== 'object' || each === null || !/^\d{4}-\d\d-\d\d$/.test(day)) continue;
    const { payments, lamports } = each as Readonly<Record<string, unknown>>;
    if (Number.isSafeInteger(payments) && typeof lamports === 'string' && /^\d{1,20}$/.test(lamports))
      days.set(day, { payments: payments as number, lamports: BigInt(lamports) });
  }
  return days;
}
