import { messageOf } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { readJson, writeFileAtomic } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, JobId, PeerIdString } from '../../lib/types.ts';
import type { ChainRecord, ClientPayments, EscrowWallet } from './payments.ts';

/** What a router spends for the people whom it serves. */
export interface Purses {
  /** Null where nothing is paid for this one, or the chain cannot be opened now. */
  of(client: PeerIdString, options?: AbortOptions): Promise<SpendingAllowance | null>;
  /** So much was spent for a job, of what was reserved for it; of a job that is not known nothing changes. */
  settle(job: JobId, spent: bigint): void;
}

/** One person's share. */
export interface SpendingAllowance {
  readonly paying: EscrowWallet;
  /** What the chain says of providers. */
  readonly records: ReadonlyMap<string, ChainRecord>;
  /** What is left of the limit of the last 24 h, lamports. What is locked counts as spent. */
  readonly left: bigint;
  /**
   * Counts as spent until `settle` says what was; on disk when it resolves.
   * @returns false where it is more than is left, and nothing is reserved
   */
  reserve(job: JobId, lamports: bigint): Promise<boolean>;
  /** As of `Purses`. */
  settle(job: JobId, spent: bigint): void;
}

export interface PursesComponents {
  readonly payments: ClientPayments;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface PursesInit {
  /** Where the spending of the last day is kept; null keeps it in memory. */
  readonly path: string | null;
  /** Lamports that may be spent for a person within 24 h; 0 for whom nothing is paid. */
  limitOf(client: PeerIdString): bigint;
}

interface Spending {
  readonly client: string;
  readonly at: number;
  readonly lamports: bigint;
}

const dayMs = 86_400_000;

/** @throws QvacError E_HOME where the file of the last day cannot be read: whoever forgets it would spend twice */
export async function openPurses(
  { payments, clock, logger }: PursesComponents,
  { path, limitOf }: PursesInit,
): Promise<Purses> {
  const spendings = path === null ? new Map<string, Spending>() : parse(await readJson(path));
  let saving: Promise<void> = Promise.resolve();

  function save(): Promise<void> {
    if (path === null) return Promise.resolve();
    const text = JSON.stringify(
      [...spendings].map(([id, { client, at, lamports }]) => ({ id, client, at, lamports: lamports.toString() })),
    );
    saving = saving.catch(() => undefined).then(() => writeFileAtomic(path, `${text}\n`));
    return saving;
  }
  function spentFor(client: PeerIdString): bigint {
    const since = clock.now() - dayMs;
    let sum = 0n;
    for (const [id, spending] of spendings) {
      if (spending.at < since) spendings.delete(id);
      else if (spending.client === client) sum += spending.lamports;
    }
    return sum;
  }

  async function openPaying(options?: AbortOptions): Promise<Pick<SpendingAllowance, 'paying' | 'records'> | null> {
    try {
      const paying = await payments.open(options);
      return { paying, records: await paying.records(options) };
    } catch (error) {
      options?.signal?.throwIfAborted();
      logger.warn('nobody can be paid now', { reason: messageOf(error) });
      return null;
    }
  }

  function settle(job: JobId, spent: bigint): void {
    const spending = spendings.get(job);
    if (spending === undefined) return;
    if (spent === 0n) spendings.delete(job);
    else spendings.set(job, { ...spending, lamports: spent });
    save().catch((error: unknown) => logger.warn('what was spent was not noted', { reason: String(error) }));
  }
  function leftFor(client: PeerIdString): bigint {
    const left = limitOf(client) - spentFor(client);
    return left > 0n ? left : 0n;
  }

  return {
    settle,
    async of(client, options) {
      if (limitOf(client) === 0n) return null;
      const opened = await openPaying(options);
      if (opened === null) return null;
      return {
        ...opened,
        get left() {
          return leftFor(client);
        },
        // Looked at again: other questions of this client may have come between.
        async reserve(job, lamports) {
          if (lamports > leftFor(client)) return false;
          spendings.set(job, { client, at: clock.now(), lamports });
          await save();
          return true;
        },
        settle,
      };
    },
  };
}

function parse(value: unknown): Map<string, Spending> {
  const spendings = new Map<string, Spending>();
  for (const entry of Array.isArray(value) ? (value as readonly unknown[]) : []) {
    if (typeof entry !== 'object' || entry === null) continue;
    const { id, client, at, lamports } = entry as Readonly<Record<string, unknown>>;
    if (
      typeof id === 'string' &&
      typeof client === 'string' &&
      typeof at === 'number' &&
      typeof lamports === 'string' &&
      /^\d{1,20}$/.test(lamports)
    )
      spendings.set(id, { client, at, lamports: BigInt(lamports) });
  }
  return spendings;
}
