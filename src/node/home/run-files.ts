import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, isMissing } from '../../lib/files.ts';
import { createJsonFile, type JsonFile } from '../../lib/json-file.ts';
import { isRunning, thisProcess } from '../../lib/lock.ts';
import type { PeerIdString } from '../../lib/types.ts';

/** The roles whose nodes run until they are stopped. */
const nodeRoles = ['provider', 'router', 'relay'] as const;
type NodeRole = (typeof nodeRoles)[number];

/** What a running `serve`, `route` or `relay` tells other processes of its home about itself. */
export interface RunEntry {
  readonly role: NodeRole;
  readonly peer: PeerIdString;
  /** Multiaddrs with `/p2p/<id>`. */
  readonly addrs: readonly string[];
  /** The network's name (protocol section 7). */
  readonly network: string;
  /** Hex ids of the models that it serves (provider) or holds (router). */
  readonly models: readonly string[];
  readonly pid: number;
  /** Unix milliseconds. */
  readonly startedAt: number;
}

/** The files `run/<role>.json`, 0600. One per role is enough: a home's identity of a role is locked by its process. */
export interface RunFiles {
  /** Publishes this process, or changes what was published. @throws QvacError E_HOME */
  write(entry: Omit<RunEntry, 'pid'>): Promise<void>;
  /** Removes this process's file. Never throws. */
  remove(role: RunEntry['role']): Promise<void>;
  /** The entries whose process still runs. Skips damaged files and those of killed processes. */
  list(): Promise<readonly RunEntry[]>;
}

/** A run, and the start of its process for `isRunning`. */
interface Run {
  readonly entry: RunEntry;
  readonly started: string | null;
}

export function createRunFiles(dir: string): RunFiles {
  const fileOf = (role: string): JsonFile<Run> =>
    createJsonFile(join(dir, `${role}.json`), { what: 'the note of a run', onDamaged: 'start-anew', toJson, parse });
  return {
    async write(entry) {
      const { pid, started } = await thisProcess();
      await fileOf(entry.role).write({ entry: { ...entry, pid }, started });
    },
    async remove(role) {
      const file = fileOf(role);
      const [run, { pid, started }] = [await file.read().catch(() => null), await thisProcess()];
      if (run?.entry.pid === pid && run.started === started) await file.remove().catch(() => undefined);
    },
    async list() {
      const entries: RunEntry[] = [];
      for (const role of await rolesIn(dir)) {
        const run = await fileOf(role).read();
        if (run !== null && (await isRunning(run.entry.pid, run.started))) entries.push(run.entry);
      }
      return entries;
    },
  };
}

async function rolesIn(dir: string): Promise<readonly RunEntry['role'][]> {
  try {
    const names = await readdir(dir);
    return nodeRoles.filter((role) => names.includes(`${role}.json`));
  } catch (error) {
    if (isMissing(error)) return [];
    throw fileError(error, `read ${dir}`);
  }
}

function toJson({ entry, started }: Run): unknown {
  return { ...entry, started };
}

function parse(json: unknown): Run | null {
  if (typeof json !== 'object' || json === null) return null;
  const { role, peer, addrs, network, models, pid, started, startedAt } = json as Readonly<Record<string, unknown>>;
  if (!nodeRoles.includes(role as NodeRole)) return null;
  if (typeof peer !== 'string' || typeof network !== 'string' || !areTexts(addrs) || !areTexts(models)) return null;
  if (!Number.isSafeInteger(pid) || (pid as number) < 1 || !Number.isSafeInteger(startedAt)) return null;
  if (started !== null && typeof started !== 'string') return null;
  return {
    entry: {
      role: role as NodeRole,
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
