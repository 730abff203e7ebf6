import { messageOf } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { createJsonFile, type JsonForm } from '../../lib/json-file.ts';
import type { Logger } from '../../lib/log.ts';

/** Limits of the spending for each person within 24 h. A reservation counts as spent until it is charged. */
export interface SpendingLimits {
  /** The rest of the limit of `person`, lamports; null without a limit. */
  left(person: string): bigint | null;
  /**
   * Reserves `lamports` under the caller's `id`; on disk when it resolves.
   * @returns false, with nothing reserved, if the rest does not cover them
   * @throws Error if it cannot be written to disk: then nothing may be spent
   */
  reserve(id: string, person: string, lamports: bigint): Promise<boolean>;
  /** Replaces the reservation by the `spent` lamports. Ignores an unknown id. */
  charge(id: string, spent: bigint): void;
}

export interface SpendingLimitsComponents {
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface SpendingLimitsInit {
  /** Keeps the spending of the last 24 h over a restart; null keeps it in memory. */
  readonly path: string | null;
  /** The limit in lamports within 24 h; 0 allows nothing, null everything. */
  limitOf(person: string): bigint | null;
}

interface Spending {
  readonly person: string;
  /** Unix ms. */
  readonly at: number;
  readonly lamports: bigint;
}

const dayMs = 86_400_000;

/**
 * Fails closed: a limit that forgot the last 24 h would allow the same amount again.
 * @throws QvacError E_HOME if the file cannot be read or is damaged
 */
export async function openSpendingLimits(
  { clock, logger }: SpendingLimitsComponents,
  { path, limitOf }: SpendingLimitsInit,
): Promise<SpendingLimits> {
  const what = 'the spending of the last 24 h';
  const file = path === null ? null : createJsonFile(path, { what, onDamaged: 'throw', ...form });
  const spendings: Spendings = (await file?.read()) ?? new Map();

  const save = async (): Promise<void> => file?.write(spendings);
  function spentFor(person: string): bigint {
    const since = clock.now() - dayMs;
    let sum = 0n;
    for (const [id, spending] of spendings) {
      if (spending.at < since) spendings.delete(id);
      else if (spending.person === person) sum += spending.lamports;
    }
    return sum;
  }
  function left(person: string): bigint | null {
    const limit = limitOf(person);
    if (limit === null) return null;
    const rest = limit - spentFor(person);
    return rest > 0n ? rest : 0n;
  }

  return {
    left,
    async reserve(id, person, lamports) {
      const rest = left(person);
      if (rest !== null && lamports > rest) return false;
      // Set before the first await, so that a concurrent question of this person sees it.
      spendings.set(id, { person, at: clock.now(), lamports });
      await save();
      return true;
    },
    charge(id, spent) {
      const spending = spendings.get(id);
      if (spending === undefined) return;
      if (spent === 0n) spendings.delete(id);
      else spendings.set(id, { ...spending, lamports: spent });
      save().catch((error: unknown) => logger.warn('spending not saved', { reason: messageOf(error) }));
    },
  };
}

/** By the id of their reservation. */
type Spendings = Map<string, Spending>;

const form: JsonForm<Spendings> = {
  toJson: (spendings) =>
    [...spendings].map(([id, { lamports, ...spending }]) => ({ id, ...spending, lamports: lamports.toString() })),
  parse(json) {
    if (!Array.isArray(json)) return null;
    const spendings: Spendings = new Map();
    for (const entry of json as readonly unknown[]) {
      const spending = parseEntry(entry);
      if (spending === null) return null;
      spendings.set(...spending);
    }
    return spendings;
  },
};

function parseEntry(entry: unknown): readonly [id: string, Spending] | null {
  if (typeof entry !== 'object' || entry === null) return null;
  const { id, person, at, lamports } = entry as Readonly<Record<string, unknown>>;
  if (typeof id !== 'string' || typeof person !== 'string' || typeof at !== 'number') return null;
  if (typeof lamports !== 'string' || !/^\d{1,20}$/.test(lamports)) return null;
  return [id, { person, at, lamports: BigInt(lamports) }];
}
