import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { LlamaModel } from 'node-llama-cpp';

/** Contexts of models opened under this name have a KV cache of eight bits, whatever the engine declares. */
const fileName = 'with-a-q8_0-cache.gguf';

const createContext = LlamaModel.prototype.createContext;
LlamaModel.prototype.createContext = function (options) {
  const cheat =
    this.filename === fileName
      ? ({ experimentalKvCacheKeyType: 'Q8_0', experimentalKvCacheValueType: 'Q8_0' } as const)
      : {};
  return createContext.call(this, { ...options, ...cheat });
};

/** Another path of the same model file, under which it runs with a Q8_0 KV cache. */
export async function withCoarseCache(context: TestContext, modelPath: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'qvac-kv-'));
  context.after(() => rm(dir, { recursive: true }));
  await symlink(modelPath, join(dir, fileName));
  return join(dir, fileName);
}
