import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { QvacError } from '../errors.ts';
import { delay } from '../lib/abort.ts';
import { readFileIfAny, readJson, writeFileAtomic } from '../lib/files.ts';
import { isRunning, thisProcess } from '../lib/lock.ts';
import type { Logger } from '../lib/log.ts';
import type { AbortOptions } from '../lib/types.ts';
import type { Localnet } from './localnet.ts';

// One embedded chain for all processes of a home: one runs it, the others find it by the file `chain.json`.

export interface HomeChainDirs {
  /** Where the chain is kept. */
  readonly chain: string;
  /** Where running processes tell of themselves. */
  readonly run: string;
}

/** The embedded chain of a home, as its process tells the others. */
export interface HomeChain {
  readonly rpcUrl: string;
  /** CAIP-2 */
  readonly chain: string;
  readonly pid: number;
}

const entryPath = ({ run }: HomeChainDirs): string => join(run, 'chain.json');
const portPath = ({ chain }: HomeChainDirs): string => join(chain, 'port');

/** How long a process that was started may take to open the chain, in ms. */
const startMs = 30_000;
const pollMs = 50;

/** The chain that runs, or null. */
export async function findHomeChain(dirs: HomeChainDirs): Promise<HomeChain | null> {
  const value = await readJson(entryPath(dirs)).catch(() => undefined);
  if (typeof value !== 'object' || value === null) return null;
  const { rpcUrl, chain, pid, started } = value as Readonly<Record<string, unknown>>;
  if (
    typeof rpcUrl !== 'string' ||
    !/^http:\/\/127\.0\.0\.1:\d+$/.test(rpcUrl) ||
    typeof chain !== 'string' ||
    typeof pid !== 'number'
  )
    return null;
  return (await isRunning(pid, typeof started === 'string' ? started : null)) ? { rpcUrl, chain, pid } : null;
}

/**
 * Whether the chain's process is gone without having ended: killed, or crashed. One that ends takes its entry with it.
 */
export async function hasCrashed(dirs: HomeChainDirs): Promise<boolean> {
  const entry = await readFileIfAny(entryPath(dirs)).catch(() => null);
  return entry !== null && (await findHomeChain(dirs)) === null;
}

/**
 * Runs the home's chain in this process and tells the others, at the port of its last run where that is free.
 * @param init `idleMs` as of `startLocalnet`
 * @throws QvacError E_LOCKED where another process runs it, E_HOME
 */
export async function runHomeChain(
  dirs: HomeChainDirs,
  { idleMs }: { readonly idleMs: number | null },
  logger: Logger,
): Promise<Localnet> {
  const { startLocalnet } = await import('./localnet.ts');
  const kept = Number(Buffer.from((await readFileIfAny(portPath(dirs)).catch(() => null)) ?? []).toString('utf8'));
  const start = (port: number): Promise<Localnet> => startLocalnet({ dir: dirs.chain, port, idleMs }, { logger });
  const chain = await start(Number.isInteger(kept) && kept > 0 && kept < 65_535 ? kept : 0).catch((error: unknown) => {
    if (error instanceof QvacError && error.code === 'E_PORT_IN_USE') return start(0);
    throw error;
  });
  const { pid, started } = await thisProcess();
  await writeFileAtomic(portPath(dirs), new URL(chain.rpcUrl).port);
  await writeFileAtomic(
    entryPath(dirs),
    `${JSON.stringify({ rpcUrl: chain.rpcUrl, chain: chain.chain, pid, started })}\n`,
  );
  const ended = chain.ended.then(async () => {
    if ((await findHomeChain(dirs))?.pid === pid) await rm(entryPath(dirs), { force: true });
  });
  return {
    ...chain,
    ended,
    async stop() {
      await chain.stop();
      await ended;
    },
  };
}

/**
 * The home's chain, started by `start` where it does not run.
 * @param start makes another process run it
 * @throws QvacError E_CHAIN where it does not come up
 */
export async function ensureHomeChain(
  dirs: HomeChainDirs,
  start: () => void,
  { signal }: AbortOptions = {},
): Promise<HomeChain> {
  const running = await findHomeChain(dirs);
  if (running !== null) return running;
  start();
  const deadline = performance.now() + startMs;
  for (;;) {
    await delay(pollMs, signal);
    const chain = await findHomeChain(dirs);
    if (chain !== null) return chain;
    if (performance.now() > deadline)
      throw new QvacError('E_CHAIN', `the embedded chain did not start within ${startMs / 1_000} s`, {
        hint: 'qvac chain says why',
      });
  }
}

/** Ends the home's chain. @returns whether one ran */
export async function stopHomeChain(dirs: HomeChainDirs, { signal }: AbortOptions = {}): Promise<boolean> {
  const running = await findHomeChain(dirs);
  if (running === null) return false;
  process.kill(running.pid, 'SIGTERM');
  while ((await findHomeChain(dirs))?.pid === running.pid) await delay(pollMs, signal);
  return true;
}
