import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, isMissing, readJson, writeFileAtomic } from '../../lib/files.ts';
import { isRunning, thisProcess } from '../../lib/lock.ts';
import type { PeerIdString } from '../../lib/types.ts';

/** What a running `serve` or `route` tells the other processes of its home. */
export interface RunEntry {
  readonly role: 'provider' | 'router';
  readonly peer: PeerIdString;
  /** Multiaddrs with `/p2p/<id>`. */
  readonly addrs: readonly string[];
  /** The name of protocol section 7. */
  readonly network: string;
  /** Hex ids of the models it serves (provider) or holds (router). */
  readonly models: readonly string[];
  readonly pid: number;
  /** Unix milliseconds. */
  readonly startedAt: number;
}

/** The files `run/<role>.json`, 0600, one per role since each role's identity is locked. */
export interface RunFiles {
  /** Publishes this process; again to change it. */
  write(entry: Omit<RunEntry, 'pid'>): Promise<void>;
  /** Takes this process's file away. Never throws. */
  remove(role: RunEntry['role']): Promise<void>;
  /** Those whose process still runs. Files that are damaged or left over from a killed process are skipped. */
  list(): Promise<readonly RunEntry[]>;
}

export function createRunFiles(dir: string): RunFiles {
  const pathOf = (role: string): string => join(dir, `${role}.json`);
  return {
    async write(entry) {
      const { pid, started } = await thisProcess();
      await writeFileAtomic(pathOf(entry.role), `${JSON.stringify({ ...entry, pid, started })}\n`);
    },
    async remove(role) {
      const value = await readJson(pathOf(role)).catch(() => undefined);
      const { pid, started } = await thisProcess();
      const run = parseRun(value);
      if (run !== null && run.entry.pid === pid && run.started === started)
        await rm(pathOf(role), { force: true }).catch(() => undefined);
    },
    async list() {
      const entries: RunEntry[] = [];
      for (const name of await namesIn(dir)) {
        const run = parseRun(await readJson(join(dir, name)).catch(() => undefined));
        if (run !== null && (await isRunning(run.entry.pid, run.started))) entries.push(run.entry);
      }
      return entries;
    },
  };
}

async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return (await readdir(dir)).filter((name) => name === 'provider.json' || name === 'router.json').sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw fileError(error, `read ${dir}`);
  }
}

function parseRun(value: unknown): { readonly entry: RunEntry; readonly started: string | null } | null {
  if (typeof value !== 'object' || value === null) return null;
  const { role, peer, addrs, network, models, pid, started, startedAt } = value as Readonly<Record<string, unknown>>;
  if (role !== 'provider' && role !== 'router') return null;
  if (typeof peer !== 'string' || typeof network !== 'string' || !areTexts(addrs) || !areTexts(models)) return null;
  if (!Number.isSafeInteger(pid) || (pid as number) < 1 || !Number.isSafeInteger(startedAt)) return null;
  if (started !== null && typeof started !== 'string') return null;
  return {
    entry: {
      role,
      peer: peer as PeerIdString,
      addrs,
      network,
      models,
      pid: pid as number,
      startedAt: startedAt as number,
    },
    started,
  };
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
