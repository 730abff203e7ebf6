import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine, EngineInit } from '../../src/model/engine.ts';
import { openEngine } from '../../src/model/llama.ts';
import { type TestModelKind, testModel } from '../../test/support/models.ts';

/** Tokens of prompt and answer together, for all measurements. */
export const benchContext = 2048;

/** Real engines on one thread, until `work` is done. */
export async function withEngines<Value>(
  work: (open: (kind: TestModelKind, change?: Partial<EngineInit>) => Promise<Engine>) => Promise<Value>,
): Promise<Value> {
  const cacheDir = await mkdtemp(join(tmpdir(), 'qvac-bench-'));
  const engines: Engine[] = [];
  try {
    return await work(async (kind, change = {}) => {
      const model = await testModel(kind);
      const engine = await openEngine({
        modelPath: model.path,
        modelId: model.id,
        name: model.name,
        context: benchContext,
        threads: 1,
        gpu: 'off',
        cacheDir,
        ...change,
      });
      engines.push(engine);
      return engine;
    });
  } finally {
    for (const engine of engines) await engine.dispose();
    await rm(cacheDir, { recursive: true, force: true });
  }
}
