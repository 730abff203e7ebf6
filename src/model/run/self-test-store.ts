import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../lib/files.ts';
import type { ModelId } from '../../lib/types.ts';
import type { Exec } from '../../protocol/messages.ts';
import type { Schedule, SelfTestResult } from '../engine.ts';

/** Raise when the test itself changes, so that older results are not used. */
const version = 4;

/** What a result was found for: the same question on the same engine release has the same answer. */
export interface SelfTestKey {
  readonly modelId: ModelId;
  readonly exec: Exec;
  /** What else decides: threads of the engine, cores, whether a smaller batch may be chosen. */
  readonly facts: readonly (string | number | boolean)[];
}

export interface SelfTestStore {
  get(key: SelfTestKey): Promise<SelfTestResult | null>;
  /** Never throws: a result that cannot be kept is found again. */
  put(key: SelfTestKey, result: SelfTestResult): Promise<void>;
}

/** Results as files in `dir`, one per model, class and engine release. */
export function createSelfTestStore(dir: string): SelfTestStore {
  const pathOf = (key: SelfTestKey): string => {
    const digest = createHash('sha256')
      .update(JSON.stringify([version, key.modelId, orderedExec(key.exec), key.facts]))
      .digest('hex');
    return join(dir, `self-test-${digest.slice(0, 32)}.json`);
  };
  return {
    async get(key) {
      const text = await readFile(pathOf(key), 'utf8').catch(() => null);
      return text === null ? null : parseResult(text, key.exec);
    },
    async put(key, result) {
      const { threads, batch, sequences } = result.exec;
      await writeFileAtomic(
        pathOf(key),
        `${JSON.stringify({ threads, batch, sequences, sameBits: result.sameBits })}\n`,
      ).catch(() => undefined);
    },
  };
}

/** A kept result, or null if the file is damaged. */
function parseResult(text: string, exec: Exec): SelfTestResult | null {
  try {
    const value: unknown = JSON.parse(text);
    if (
      typeof value !== 'object' ||
      value === null ||
      !('threads' in value) ||
      !('batch' in value) ||
      !('sequences' in value) ||
      !('sameBits' in value)
    )
      return null;
    const { threads, batch, sequences, sameBits } = value;
    if (
      typeof threads !== 'number' ||
      typeof batch !== 'number' ||
      typeof sequences !== 'number' ||
      !Array.isArray(sameBits) ||
      !sameBits.every(isSchedule)
    )
      return null;
    return { exec: { ...exec, threads, batch, sequences }, sameBits };
  } catch {
    return null;
  }
}

function isSchedule(value: unknown): value is Schedule {
  return value === 'alone' || value === 'prefill';
}

function orderedExec({
  engine,
  backend,
  kernels,
  threads,
  batch,
  promptBatch,
  flash,
  kv,
  gpuLayers,
  sequences,
}: Exec): readonly unknown[] {
  return [engine, backend, kernels, threads, batch, promptBatch, flash, kv, gpuLayers, sequences];
}
