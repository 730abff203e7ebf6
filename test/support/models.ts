import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { QvacError } from '../../src/errors.ts';
import type { ModelId } from '../../src/lib/types.ts';
import { createFileDigests } from '../../src/model/fetch/file-digest.ts';
import { requantise } from '../../src/model/quantise/requantise.ts';
import { createModelStore } from '../../src/model/store.ts';
import { type TinyInit, writeTiny } from './models/tiny.ts';
import { type TinyBertInit, writeTinyBert } from './models/tiny-bert.ts';

export interface TestModel {
  readonly path: string;
  readonly id: ModelId;
  readonly name: string;
  readonly quant: string;
}

/**
 * SmolLM2-135M-Instruct: the file in the Python package, and quantisations made from it. `damaged` is Q8_0 with altered
 * weights.
 */
export type TestModelKind = keyof typeof made | 'q4_1';

const sourceFile = 'SmolLM2-135M-Instruct.Q4_1.gguf';

const made = {
  q8_0: {
    file: 'smollm2-135m-q8_0.gguf',
    kind: 'q8_0',
    sha256: '7886df1b79b30679f40a826d84f7428190d401167191396e38b4a857949a201d',
  },
  q4_0: {
    file: 'smollm2-135m-q4_0.gguf',
    kind: 'q4_0',
    sha256: 'c624c2bea4349b36453448197f53b3935a96da7934904c124a612716c348a8ff',
  },
  f16: {
    file: 'smollm2-135m-f16.gguf',
    kind: 'f16',
    sha256: 'fea43f3ffef83a020894679eb91b2ab0127287d657a7313b47ba9c411dd4d47f',
  },
  damaged: { file: 'smollm2-135m-damaged-q8_0.gguf', kind: 'q8_0', sha256: null },
} as const;

/** The folder that keeps models between runs: `$QVAC_TEST_MODELS`, else the user's cache. */
export const testModelDir = process.env.QVAC_TEST_MODELS ?? join(homedir(), '.cache', 'qvac-test-models');

/** Keeps results of self-tests between runs, for tests that need one but do not test it. */
export const testCacheDir = join(testModelDir, 'cache');

const digests = createFileDigests(join(testModelDir, 'digests.json'));

/** A real model in one quantisation; made if missing, once for all runs. Safe for concurrent processes. */
export async function testModel(kind: TestModelKind): Promise<TestModel> {
  const source = await fetchSource();
  if (kind === 'q4_1') return source;
  const { file, kind: quant, sha256 } = made[kind];
  const path = join(testModelDir, file);
  if (!(await isThere(path)) || (sha256 !== null && (await digests.of(path)) !== sha256)) {
    const digest = await requantise(source.path, path, quant, kind === 'damaged' ? { weights: damage } : {});
    if (sha256 !== null && digest !== sha256) throw new Error(`${file} has SHA-256 ${digest}, expected ${sha256}`);
  }
  return { path, id: (await digests.of(path)) as ModelId, name: 'smollm2-135m', quant };
}

/** A model of 3 MB with random weights, for tests that do not depend on the text. */
export async function tinyModel(
  init: Pick<TinyInit, 'arch' | 'kind' | 'vocab' | 'context' | 'tied' | 'seed'> = {},
): Promise<TestModel> {
  const label = [
    init.arch ?? 'qwen3',
    init.kind ?? 'f16',
    init.vocab ?? 512,
    init.context ?? 4096,
    init.tied === true ? 'tied' : 'untied',
    init.seed ?? 1,
  ].join('-');
  const path = join(testModelDir, `tiny-${label}.gguf`);
  return (await isThere(path)) ? await describe(path, init) : await writeTestModel(`tiny-${label}`, init);
}

/** A model with random weights that embeds texts, of 300 KB. */
export async function tinyEmbedder(init: TinyBertInit = {}): Promise<TestModel> {
  await mkdir(testModelDir, { recursive: true });
  const { kind = 'f16', context = 64, seed = 1, pooling = 1 } = init;
  const path = join(testModelDir, `tiny-bert-${kind}-${context}-${seed}-${pooling}.gguf`);
  if (init.change !== undefined || !(await isThere(path))) await writeTinyBert(path, init);
  return { path, id: (await digests.of(path)) as ModelId, name: 'tiny-embed', quant: kind };
}

/** A tiny model with special properties, written as `<name>.gguf`. */
export async function writeTestModel(name: string, init: TinyInit): Promise<TestModel> {
  await mkdir(testModelDir, { recursive: true });
  const path = join(testModelDir, `${name}.gguf`);
  await writeTiny(path, init);
  return await describe(path, init);
}

async function describe(path: string, init: TinyInit): Promise<TestModel> {
  return { path, id: (await digests.of(path)) as ModelId, name: 'tiny-random', quant: init.kind ?? 'f16' };
}

/** Scales a few matrices: the model loads and answers, but differently. */
function damage(name: string, weights: Float32Array): Float32Array {
  return /^blk\.(10|14|20)\.(attn_v|ffn_down)\.weight$/.test(name) ? weights.map((weight) => weight * 0.6) : weights;
}

async function fetchSource(): Promise<TestModel> {
  const path = join(testModelDir, sourceFile);
  const store = createModelStore({ dir: join(testModelDir, 'store'), given: [path] });
  for (;;) {
    try {
      const model = await store.pull('smollm2-135m');
      if (model.path !== path) {
        await rename(model.path, path);
        await rm(`${model.path}.json`, { force: true });
      }
      return { path, id: model.id, name: model.name, quant: model.quant };
    } catch (error) {
      // Another test process is downloading it.
      if (!(error instanceof QvacError && error.code === 'E_LOCKED') && !(await isThere(path))) throw error;
      await new Promise((resume) => setTimeout(resume, 250));
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}
