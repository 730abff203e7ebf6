import { basename } from 'node:path';
import type { Config } from '../config.ts';
import { QvacError } from '../errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ModelStore, OnProgress, StoredModel } from '../model/store.ts';
import { byteSize, table } from '../terminal/format.ts';
import type { Output } from '../terminal/output.ts';
import { startProgress } from '../terminal/progress.ts';
import { defineCommand, defineSubcommand, flag } from './parts/definition.ts';

/** The model files of this home. */
export async function openModelStore(config: Config, logger: Logger): Promise<ModelStore> {
  const { createModelStore } = await import('../model/store.ts');
  return createModelStore({ dir: config.home.models, logger });
}

const phaseWords = { download: 'fetching', unpack: 'unpacking', hash: 'checking' } as const;

/** Runs `work` with a progress line for model files, which it takes away at the end. */
export async function withModelProgress<Value>(
  output: Output,
  name: string,
  work: (onProgress: OnProgress) => Promise<Value>,
): Promise<Value> {
  const progress = startProgress(output);
  try {
    // Of a file its name alone: the bar has to fit beside it.
    return await work((state) =>
      progress.bytes(`${phaseWords[state.phase]} ${name.endsWith('.gguf') ? basename(name) : name}`, state),
    );
  } finally {
    progress.end();
  }
}

/** Runs `work` with a progress line for weights that are read into memory, which it takes away at the end. */
export async function withLoadProgress<Value>(
  output: Output,
  { name, bytes }: Pick<StoredModel, 'name' | 'bytes'>,
  work: (onLoad: (share: number) => void) => Promise<Value>,
): Promise<Value> {
  const progress = startProgress(output);
  try {
    return await work((share) =>
      progress.bytes(`loading ${name}`, {
        doneBytes: Math.round(share * bytes),
        totalBytes: bytes,
        bytesPerSecond: null,
        secondsLeft: null,
      }),
    );
  } finally {
    progress.end();
  }
}

function pinnedWord({ pinned }: StoredModel): string {
  return pinned ? 'pinned' : 'not pinned';
}

const pull = defineSubcommand({
  summary: 'fetch a model by name',
  description:
    'Fetches a model of the catalogue, going on where an earlier attempt broke off. Its SHA-256 is computed here; where the catalogue states one (pinned) it must be equal, else it is recorded and must stay the same. With --json: {name, quant, id, path, bytes, pinned}.',
  arguments: [{ name: '<model>', description: 'name, or name/quant' }],
  settings: ['modelsDir'],
  examples: [
    { line: 'qvac models pull smollm2-135m', what: 'a small one' },
    { line: 'qvac models pull qwen3-4b/q8_0', what: 'in another quantisation than q4_k_m' },
  ],
  async action({ args, config, output, logger, signal }) {
    const name = args[0] ?? '';
    const store = await openModelStore(config, logger);
    const model = await withModelProgress(output, name, (onProgress) => store.pull(name, { onProgress, signal }));
    output.result(model, [
      `${model.name} ${model.quant}  ${byteSize(model.bytes)}  ${pinnedWord(model)}`,
      `sha256  ${model.id}`,
      `file    ${model.path}`,
    ]);
  },
});

const ls = defineSubcommand({
  summary: 'the model files here',
  description:
    'Lists the model files here; with --all also what can be fetched. With --json: {models: [{name, quant, id, path, bytes, pinned}], catalog: [{name, title, license, defaultQuant, quants}]}.',
  settings: ['modelsDir'],
  options: { all: flag('-a, --all', 'also what can be fetched') },
  examples: [
    { line: 'qvac models ls', what: 'what is here' },
    { line: 'qvac models ls --all', what: 'and what can be fetched' },
  ],
  async action({ config, options, output, logger }) {
    const { catalog } = await import('../model/catalog.ts');
    const models = await (await openModelStore(config, logger)).list();
    const available = catalog.map(({ name, title, license, defaultQuant, files }) => ({
      name,
      title,
      license,
      defaultQuant,
      quants: [...new Set(files.map(({ quant }) => quant))],
    }));
    const here =
      models.length === 0
        ? []
        : table(
            ['MODEL', 'QUANT', 'SIZE', 'SHA-256', 'DIGEST'],
            models.map((model) => [
              model.name,
              model.quant,
              byteSize(model.bytes),
              model.id.slice(0, 12),
              pinnedWord(model),
            ]),
          );
    const there = options.all
      ? table(
          ['CAN BE FETCHED', 'TITLE', 'QUANTS', 'LICENSE'],
          available.map(({ name, title, quants, license }) => [name, title, quants.join(' '), license]),
        )
      : [];
    output.result({ models, catalog: available }, [
      ...here,
      ...(here.length > 0 && there.length > 0 ? [''] : []),
      ...there,
    ]);
    if (models.length === 0) output.say('no model files here yet; qvac models pull smollm2-135m fetches a small one');
  },
});

const rm = defineSubcommand({
  summary: 'remove a model file',
  description:
    'Removes a fetched model file, or what an attempt that broke off has left of it. Files that were not fetched by qvac are left alone. With --json: {removed}.',
  arguments: [{ name: '<model>', description: 'name, or name/quant' }],
  settings: ['modelsDir'],
  examples: [{ line: 'qvac models rm qwen3-4b/q8_0', what: 'free its room' }],
  async action({ args, config, output, logger }) {
    const name = args[0] ?? '';
    if (!(await (await openModelStore(config, logger)).remove(name)))
      throw new QvacError('E_NOT_FOUND', `${name} is not here`, { hint: 'qvac models ls' });
    output.result({ removed: name }, []);
    output.say(`removed ${name}`);
  },
});

const show = defineSubcommand({
  summary: 'one model file: what it is, its digest, where it came from',
  description:
    'Shows a model file: a fetched one by name, or any GGUF file by path. With --json: {name, quant, id, path, bytes, pinned, arch, context, template, license, source}.',
  arguments: [{ name: '<model>', description: 'name, name/quant, hex id, or a GGUF file' }],
  settings: ['modelsDir'],
  examples: [
    { line: 'qvac models show smollm2-135m', what: 'a fetched one' },
    { line: 'qvac models show ./my-model.gguf --json', what: 'a file, for programs' },
  ],
  async action({ args, config, output, logger, signal }) {
    const name = args[0] ?? '';
    const store = await openModelStore(config, logger);
    const model = await withModelProgress(output, name, (onProgress) => store.show(name, { onProgress, signal }));
    const { findInCatalog } = await import('../model/catalog.ts');
    if (model === null)
      throw new QvacError('E_NO_MODEL', `${name} is not here`, {
        hint: findInCatalog(name) === null ? 'qvac models ls --all' : `qvac models pull ${name}`,
      });
    const rows: readonly (readonly string[])[] = [
      ['model', `${model.name} ${model.quant}`],
      ['arch', model.arch],
      ['context', model.context === null ? 'not stated' : String(model.context)],
      ['template', model.template ? 'yes' : 'none: completion only'],
      ['size', byteSize(model.bytes)],
      ['sha256', `${model.id} (${pinnedWord(model)})`],
      ['file', model.path],
      ['license', model.license ?? 'not stated'],
      ['source', model.source ?? 'a file of yours'],
    ];
    output.result(model, table(['', ''], rows).slice(1));
  },
});

export const command = defineCommand({
  description:
    'Model files are GGUF files, known by the SHA-256 of their bytes: the same digest that model hubs publish. Any GGUF file can be used by its path; these commands keep those of the catalogue.',
  examples: [
    { line: 'qvac models pull smollm2-135m', what: 'fetch one' },
    { line: 'qvac models ls --all', what: 'what is here, and what can be fetched' },
  ],
  subcommands: { pull, ls, rm, show },
});
