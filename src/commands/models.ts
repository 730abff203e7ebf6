import { QvacError } from '../errors.ts';
import type { StoredModel } from '../model/store.ts';
import { byteSize, table } from '../terminal/format.ts';
import { printableName } from '../terminal/printable.ts';
import { defineCommand, defineSubcommand, flag } from './parts/definition.ts';

function pinnedWord({ pinned }: StoredModel): string {
  return pinned ? 'pinned' : 'not pinned';
}

const pull = defineSubcommand({
  summary: 'download a model by name',
  description: [
    'Download a model of the catalogue. A download that broke off is resumed.',
    'The SHA-256 digest is computed here: it must match the digest in the catalogue (pinned) if there is one,',
    'else it is recorded and must not change.',
  ].join(' '),
  arguments: [{ name: '<model>', description: 'name, or name/quant' }],
  settings: ['modelsDir'],
  examples: [
    { line: 'qvac models pull smollm2-135m', what: 'download a small model' },
    { line: 'qvac models pull qwen3-4b/q8_0', what: 'choose another quantisation than q4_k_m' },
  ],
  async action({ args, config, output, logger, signal }) {
    const name = args[0] ?? '';
    const [{ openModelStore }, { modelProgress }] = await Promise.all([
      import('../sdk/models.ts'),
      import('./parts/model-progress.ts'),
    ]);
    const store = openModelStore({ config, logger });
    const model = await modelProgress(output).fetching(name, (onProgress) => store.pull(name, { onProgress, signal }));
    output.result(model, [
      `${model.name} ${model.quant}  ${byteSize(model.bytes)}  ${pinnedWord(model)}`,
      `sha256  ${model.id}`,
      `file    ${model.path}`,
    ]);
  },
});

const ls = defineSubcommand({
  summary: 'list the model files here',
  description: [
    'List the model files here, and with --all also the catalogue of models to download,',
    'of each model first the quantisation whose answers are the cheapest to check.',
  ].join(' '),
  settings: ['modelsDir'],
  options: { all: flag('-a, --all', 'list the catalogue, too') },
  examples: [
    { line: 'qvac models ls', what: 'list the files here' },
    { line: 'qvac models ls --all', what: 'list the files here and the catalogue' },
  ],
  async action({ config, options, output, logger }) {
    const [{ catalog }, { openModelStore }] = await Promise.all([
      import('../model/catalog.ts'),
      import('../sdk/models.ts'),
    ]);
    const models = await openModelStore({ config, logger }).list();
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
              printableName(model.name),
              printableName(model.quant),
              byteSize(model.bytes),
              model.id.slice(0, 12),
              pinnedWord(model),
            ]),
          );
    const there = options.all
      ? table(
          ['CATALOGUE', 'TITLE', 'QUANTS', 'LICENSE'],
          available.map(({ name, title, quants, license }) => [name, title, quants.join(' '), license]),
        )
      : [];
    output.result({ models, catalog: available }, [
      ...here,
      ...(here.length > 0 && there.length > 0 ? [''] : []),
      ...there,
    ]);
    if (models.length === 0) output.say('no model files here yet; qvac models pull smollm2-135m downloads a small one');
  },
});

const rm = defineSubcommand({
  summary: 'remove a model file',
  description: 'Remove a downloaded model file, or a partial download. Files from elsewhere are never removed.',
  arguments: [{ name: '<model>', description: 'name, or name/quant' }],
  settings: ['modelsDir'],
  examples: [{ line: 'qvac models rm qwen3-4b/q8_0', what: 'free its disk space' }],
  async action({ args, config, output, logger }) {
    const name = args[0] ?? '';
    const { openModelStore } = await import('../sdk/models.ts');
    if (!(await openModelStore({ config, logger }).remove(name)))
      throw new QvacError('E_NOT_FOUND', `no model file here is named ${name}`, { hint: 'qvac models ls' });
    output.result({ removed: name }, []);
    output.say(`removed ${name}`);
  },
});

const show = defineSubcommand({
  summary: 'show a model file: properties, digest and source',
  description: 'Show a model file: a downloaded file by name, or any GGUF file by path.',
  arguments: [{ name: '<model>', description: 'name, name/quant, hex id, or GGUF file' }],
  settings: ['modelsDir'],
  examples: [
    { line: 'qvac models show smollm2-135m', what: 'show a downloaded model' },
    { line: 'qvac models show ./my-model.gguf --json', what: 'print the properties of a file as JSON' },
  ],
  async action({ args, config, output, logger, signal }) {
    const name = args[0] ?? '';
    const [{ findInCatalog }, { openModelStore }, { modelProgress }] = await Promise.all([
      import('../model/catalog.ts'),
      import('../sdk/models.ts'),
      import('./parts/model-progress.ts'),
    ]);
    const store = openModelStore({ config, logger });
    const model = await modelProgress(output).fetching(name, (onProgress) => store.show(name, { onProgress, signal }));
    if (model === null)
      throw new QvacError('E_NO_MODEL', `no model file here is named ${name}`, {
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
      ['source', model.source ?? 'your own file'],
    ];
    output.result(model, table(['', ''], rows).slice(1));
  },
});

export const command = defineCommand({
  description: [
    'Manage the model files of the catalogue. Model files are GGUF files, identified by the SHA-256 of their bytes,',
    'the digest that model hubs publish. Any other GGUF file can be used by its path.',
  ].join(' '),
  examples: [
    { line: 'qvac models pull smollm2-135m', what: 'download a model' },
    { line: 'qvac models ls --all', what: 'list the files here and the catalogue' },
  ],
  subcommands: { pull, ls, rm, show },
});
