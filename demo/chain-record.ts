import { setTimeout as delay } from 'node:timers/promises';
import { plural, sol } from '../src/terminal/format.ts';
import type { Processes } from './processes.ts';

/** A provider's record on the chain; amounts in lamports. */
export interface ChainRecord {
  readonly paid: number;
  readonly earned: bigint;
  readonly rejected: number;
  readonly burnt: bigint;
}

export interface RecordSource {
  readonly processes: Processes;
  readonly signal: AbortSignal;
  /** The built program. */
  readonly qvac: string;
  /** QVAC_HOME of the provider. */
  readonly home: string;
  /** Flags that name the market and its chain. */
  readonly flags: readonly string[];
}

/** Most time from the end of an answer to that of its payment. */
const settledMs = 60_000;
const pollMs = 250;

export async function readRecord({ processes, signal, qvac, home, flags }: RecordSource): Promise<ChainRecord> {
  const { stdout } = await processes.quietly(qvac, ['provider', 'status', ...flags, '--json'], { home, signal });
  const { jobsCompleted, earned, jobsRejected, rejected } = JSON.parse(stdout) as {
    readonly jobsCompleted: string;
    readonly earned: string;
    readonly jobsRejected: number;
    readonly rejected: string;
  };
  return { paid: Number(jobsCompleted), earned: BigInt(earned), rejected: jobsRejected, burnt: BigInt(rejected) };
}

/**
 * The record once the chain has settled another job than those of `before`.
 * @throws Error if it does not within a minute
 */
export async function settledRecord(source: RecordSource, before: ChainRecord): Promise<ChainRecord> {
  const deadline = performance.now() + settledMs;
  for (;;) {
    const record = await readRecord(source);
    if (record.paid + record.rejected > before.paid + before.rejected) return record;
    if (performance.now() >= deadline) throw new Error(`no payment was settled within ${settledMs / 1_000} s`);
    await delay(pollMs, undefined, { signal: source.signal });
  }
}

export function recordLine({ paid, earned, rejected, burnt }: ChainRecord): string {
  const [gained, lost] = [`${plural(paid, 'job')} paid, ${sol(earned)} earned`, `${rejected} rejected`];
  return `chain record of this provider: ${gained}; ${lost}, ${sol(burnt)} burnt`;
}
