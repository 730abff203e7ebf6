import type { Clock } from '../../lib/clock.ts';
import { readJson, writeFileAtomic } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';
import type { ApiKey } from './keys.ts';

/** What each key may still spend today (UTC). What an answer may cost at most is set aside until it is known. */
export interface Budgets {
  /** Lamports; Infinity for a key without a limit. */
  left(key: ApiKey): number;
  /** Sets `most` lamports aside. @returns to be called once with what was spent */
  reserve(key: ApiKey, most: number): (spent: number) => void;
}

export interface BudgetsComponents {
  readonly clock: Clock;
  readonly logger: Logger;
}

const dayMs = 86_400_000;

/** @param path file in which the day's spending is kept over a restart; null keeps it in memory */
export async function createBudgets({ clock, logger }: BudgetsComponents, path: string | null): Promise<Budgets> {
  const today = (): number => Math.floor(clock.now() / dayMs);
  const kept = path === null ? null : parseSpending(await readJson(path).catch(() => undefined));
  let day = today();
  let spent = new Map<string, number>(kept !== null && kept.day === day ? Object.entries(kept.spent) : []);
  const reserved = new Map<string, number>();
  let saving: Promise<void> = Promise.resolve();

  const turnDay = (): void => {
    if (today() === day) return;
    day = today();
    spent = new Map();
  };
  const save = (): void => {
    if (path === null) return;
    const text = `${JSON.stringify({ day, spent: Object.fromEntries(spent) })}\n`;
    saving = saving
      .then(() => writeFileAtomic(path, text))
      .catch((error: unknown) => logger.warn('what keys spent was not written down', { reason: String(error) }));
  };
  return {
    left({ name, dailyLimit }) {
      turnDay();
      return dailyLimit === null
        ? Infinity
        : Math.max(0, dailyLimit - (spent.get(name) ?? 0) - (reserved.get(name) ?? 0));
    },
    reserve({ name }, most) {
      reserved.set(name, (reserved.get(name) ?? 0) + most);
      let open = true;
      return (cost) => {
        if (!open) return;
        open = false;
        reserved.set(name, (reserved.get(name) ?? 0) - most);
        if (cost === 0) return;
        turnDay();
        spent.set(name, (spent.get(name) ?? 0) + cost);
        save();
      };
    },
  };
}

function parseSpending(
  value: unknown,
): { readonly day: number; readonly spent: Readonly<Record<string, number>> } | null {
  if (typeof value !== 'object' || value === null) return null;
  const { day, spent } = value as Readonly<Record<string, unknown>>;
  if (typeof day !== 'number' || typeof spent !== 'object' || spent === null) return null;
  const amounts = Object.entries(spent as Readonly<Record<string, unknown>>).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && entry[1] >= 0,
  );
  return { day, spent: Object.fromEntries(amounts) };
}
