import { access } from 'node:fs/promises';
import { totalmem } from 'node:os';
import type { Config } from '../../config.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { OnProgress } from '../../model/store.ts';
import { byteSize, plural, shortId } from '../../terminal/format.ts';
import { type Finding, fail, failure, ok, warn } from './finding.ts';

/** Checks which device the engine really computes on. */
export async function checkEngine({ settings }: Config): Promise<Finding> {
  try {
    const { describePlatform } = await import('../../model/llama.ts');
    const { engine, backend, device, memory, cores } = await describePlatform(settings.gpu);
    const where = backend === 'cpu' ? `the CPU: ${device}, ${plural(cores, 'core')}` : `${backend}: ${device}`;
    const detail = `${engine} on ${where}, ${byteSize(memory)}`;
    const unused = backend === 'cpu' && settings.gpu === 'auto' ? await unusedGpu() : null;
    return unused === null ? ok('engine', detail) : warn('engine', `${detail}; ${unused.what} is not used`, unused.fix);
  } catch (error) {
    return failure('engine', error);
  }
}

/** A GPU of this machine that the engine does not use, null if there is none. */
async function unusedGpu(): Promise<{ readonly what: string; readonly fix: string } | null> {
  const exists = (path: string): Promise<boolean> =>
    access(path).then(
      () => true,
      () => false,
    );
  if (await exists('/dev/nvidia0')) return { what: 'the NVIDIA GPU', fix: await installLine('cuda', 'cuda-ext') };
  if (await exists('/dev/dri/renderD128')) return { what: 'the GPU', fix: await installLine('vulkan') };
  return null;
}

/** The command that installs the engine's GPU builds, in the version of the engine. */
export async function installLine(...builds: readonly string[]): Promise<string> {
  const { default: about } = await import('../../../package.json', { with: { type: 'json' } });
  const version = about.dependencies['node-llama-cpp'];
  return ['npm install --no-save', ...builds.map((build) => `@node-llama-cpp/linux-x64-${build}@${version}`)].join(' ');
}

export interface ModelChecks extends AbortOptions {
  readonly onProgress?: OnProgress | undefined;
}

/** Checks that the model files here are unchanged and fit into memory. */
export async function checkModels(config: Config, options: ModelChecks): Promise<readonly Finding[]> {
  const damaged: Finding[] = [];
  const [{ createModelStore }, { sha256OfFile }] = await Promise.all([
    import('../../model/store.ts'),
    import('../../model/fetch/file-digest.ts'),
  ]);
  const note = (message: string, fields: Parameters<Logger['warn']>[1]): void => {
    damaged.push(
      fail(
        'model',
        'E_MODEL',
        `${message}: ${String(fields?.model)}/${String(fields?.quant)} (${String(fields?.reason)})`,
        `qvac models rm ${String(fields?.model)}/${String(fields?.quant)}`,
      ),
    );
  };
  const store = createModelStore({
    dir: config.home.models,
    logger: { debug() {}, info() {}, warn: note, error: note },
  });
  const models: Finding[] = [];
  for (const model of await store.list()) {
    const origin = model.pinned ? 'matches the catalogue' : 'unchanged since the download';
    const detail = `${model.name} ${model.quant}, ${byteSize(model.bytes)}, SHA-256 ${shortId(model.id)} ${origin}`;
    // The store caches digests by size and time, which bit rot does not change.
    const found = await sha256OfFile(model.path, options);
    if (found !== model.id)
      models.push(
        fail(
          'model',
          'E_MODEL',
          `${model.name} ${model.quant}: the file has SHA-256 ${shortId(found)}, not ${shortId(model.id)}`,
          `qvac models rm ${model.name}/${model.quant}, then pull it again`,
        ),
      );
    else
      models.push(
        model.bytes > totalmem()
          ? warn('model', `${detail}, bigger than this machine's memory`, 'use a smaller quantisation')
          : ok('model', detail),
      );
  }
  const named = await checkNamedModel(config, store, options);
  const all = [...models, ...damaged, ...(named === null ? [] : [named])];
  return all.length > 0 ? all : [ok('model', 'none here; qvac models pull smollm2-135m downloads a small one')];
}

/** The configured model if it is a file outside the store. */
async function checkNamedModel(
  { settings }: Config,
  store: ReturnType<typeof import('../../model/store.ts').createModelStore>,
  options: ModelChecks,
): Promise<Finding | null> {
  const { model } = settings;
  if (model === null || !/[/\\]|\.gguf$/i.test(model)) return null;
  try {
    const found = await store.resolve(model, options);
    return found === null ? null : ok('model', `${found.name} ${found.quant}, ${byteSize(found.bytes)}, ${found.path}`);
  } catch (error) {
    return failure('model', error);
  }
}
