import { join } from 'node:path';
import { readJson, writeFileAtomic } from '../lib/files.ts';
import { isRunning, thisProcess } from '../lib/lock.ts';

/** The record of a running gateway for this person's other programs: `run/gateway.json`, mode 0600. */
export interface GatewayRun {
  readonly url: string;
  /** The secret of that run. */
  readonly token: string;
  readonly pid: number;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly network: string;
  /** Whether that process still runs. The file outlives it, so that pages of that run can get the next token. */
  readonly running: boolean;
}

const fileName = 'gateway.json';

/**
 * Records the newest gateway of this home.
 * @returns a function to call when that gateway has stopped: restores the record of the previous one, if it still runs
 * on another port
 */
export async function writeGatewayRun(
  dir: string,
  run: Pick<GatewayRun, 'url' | 'token' | 'startedAt' | 'network'>,
): Promise<() => Promise<void>> {
  const path = join(dir, fileName);
  const former = await readJson(path).catch(() => undefined);
  const { pid, started } = await thisProcess();
  await writeFileAtomic(path, `${JSON.stringify({ ...run, pid, started })}\n`);
  return async () => {
    const [before, now] = [await runOf(former), await readGatewayRun(dir)];
    if (before?.running === true && now?.token === run.token)
      await writeFileAtomic(path, `${JSON.stringify(former)}\n`);
  };
}

/** The gateway of this home that runs, or the last one that did; null if there was none. */
export async function readGatewayRun(dir: string): Promise<GatewayRun | null> {
  return runOf(await readJson(join(dir, fileName)).catch(() => undefined));
}

async function runOf(value: unknown): Promise<GatewayRun | null> {
  if (typeof value !== 'object' || value === null) return null;
  const { url, token, pid, started, startedAt, network } = value as Readonly<Record<string, unknown>>;
  if (
    typeof url !== 'string' ||
    typeof token !== 'string' ||
    typeof network !== 'string' ||
    typeof startedAt !== 'number'
  )
    return null;
  if (!Number.isSafeInteger(pid) || (started !== null && typeof started !== 'string')) return null;
  return { url, token, pid: pid as number, startedAt, network, running: await isRunning(pid as number, started) };
}
