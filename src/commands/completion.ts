import { readdir } from 'node:fs/promises';
import type { Config } from '../config.ts';
import { QvacError } from '../errors.ts';
import { globalSettings, settings } from '../settings.ts';
import { type Candidate, candidatesFor, type Names } from '../terminal/completion.ts';
import { scripts } from '../terminal/completion-scripts.ts';
import { type CommandDefinition, type CommandEntry, defineCommand, oneOf, option } from './parts/definition.ts';
import { globalSwitches } from './parts/help-pages.ts';

const shells = ['bash', 'zsh', 'fish'] as const;

/** Flags as in help, with their descriptions. */
function flagsOf(definition: CommandDefinition | null): readonly Candidate[] {
  const own = Object.values(definition?.options ?? {});
  const keys = [...(definition?.settings ?? []), ...globalSettings];
  const all = [
    ...keys.map((key) => settings[key]),
    ...own,
    ...globalSwitches,
    { flags: '-h, --help', description: 'print help' },
  ];
  return all.map(({ flags, description }) => ({ value: flags, description }));
}

/** The candidates for the last of `words`, the words after `qvac`. */
async function complete(
  words: readonly string[],
  commands: readonly CommandEntry[],
  names: () => Promise<Names>,
): Promise<readonly Candidate[]> {
  const [first = ''] = words;
  if (words.length <= 1)
    return candidatesFor({
      words,
      subcommands: commands.map(({ name, summary }) => ({ value: name, description: summary })),
      flags: flagsOf(null),
      names,
    });
  const entry = commands.find(({ name }) => name === first);
  if (entry === undefined) return [];
  let { command }: { command: CommandDefinition } = await entry.load();
  let rest = words.slice(1);
  let path = first;
  for (
    let next = command.subcommands?.[rest[0] ?? ''];
    next !== undefined && rest.length > 1;
    next = command.subcommands?.[rest[0] ?? '']
  ) {
    command = next;
    path = `${path} ${rest[0] ?? ''}`;
    rest = rest.slice(1);
  }
  const subcommands = Object.entries(command.subcommands ?? {}).map(([name, { summary }]) => ({
    value: name,
    description: summary,
  }));
  return candidatesFor({
    command: path,
    words: rest,
    subcommands,
    flags: flagsOf(command),
    names,
    arguments: (command.arguments ?? []).map(({ name }) => name),
  });
}

/** Current names: of a gateway that runs here, else of the peers seen last; model files and receipts. */
async function namesOf(config: Config, words: readonly string[]): Promise<Names> {
  const [{ readNames }, { catalog }] = await Promise.all([
    import('../gateway/names.ts'),
    import('../model/catalog.ts'),
  ]);
  const asked = await configFor(config, words);
  const fetchable = catalog.flatMap(({ name, title, files }) =>
    [name, ...new Set(files.map(({ quant }) => `${name}/${quant}`))].map((value) => ({ value, description: title })),
  );
  return { ...(await readNames(asked)), files: await filesIn(asked.home.models), catalog: fetchable };
}

/** The configuration with the home and network flags of the line being completed. */
async function configFor(config: Config, words: readonly string[]): Promise<Config> {
  const after = (flag: string): string | undefined => {
    const at = words.lastIndexOf(flag);
    return at < 0 || at + 2 > words.length - 1 ? undefined : words[at + 1];
  };
  const [home, network, ownNetwork] = [after('--home'), after('--network'), after('--private')];
  if (home === undefined && network === undefined && ownNetwork === undefined) return config;
  const { resolveConfig } = await import('../config.ts');
  return resolveConfig({
    home: home ?? config.home.root,
    flags: {
      ...(network === undefined ? {} : { network }),
      ...(ownNetwork === undefined ? {} : { private: ownNetwork }),
    },
  });
}

/** Model files by their paths, without opening them. */
async function filesIn(dir: string): Promise<readonly Candidate[]> {
  const paths = await readdir(dir, { recursive: true }).catch(() => []);
  const found = paths.flatMap((path) => {
    const [, name, quant] = /^([^/\\]+)[/\\]([^/\\]+)\.gguf$/.exec(path) ?? [];
    return name === undefined || quant === undefined ? [] : [{ value: `${name}/${quant}`, description: 'here' }];
  });
  const names = [...new Set(found.map(({ value }) => value.split('/')[0] ?? ''))];
  return [...names.map((value) => ({ value, description: 'here' })), ...found];
}

export const command = defineCommand({
  description:
    'Print a completion script for your shell. It completes commands, flags, and names of models, peers and receipts.',
  arguments: [{ name: '[words...]', description: 'bash, zsh or fish; with --complete the words so far, after --' }],
  options: {
    complete: option(
      '--complete <shell>',
      'print candidates for the words after --; the scripts call this',
      oneOf(...shells),
    ),
  },
  examples: [
    { line: 'qvac completion bash >> ~/.bashrc', what: 'bash' },
    { line: 'qvac completion zsh > ~/.zfunc/_qvac', what: 'zsh, with ~/.zfunc in fpath' },
    { line: 'qvac completion fish > ~/.config/fish/completions/qvac.fish', what: 'fish' },
  ],
  async action({ args, options, config, output, commands }) {
    if (options.complete === undefined) {
      const shell = shells.find((known) => known === args[0]);
      if (shell === undefined)
        throw new QvacError('E_USAGE', `expected ${shells.join(', ')}, got "${args[0] ?? ''}"`, {
          hint: 'qvac completion bash >> ~/.bashrc',
        });
      output.print(scripts[shell]);
      return;
    }
    // An error message would garble the line that is being typed.
    const found = await complete(args, commands, () => namesOf(config, args)).catch(() => []);
    const describe =
      options.complete === 'bash'
        ? ({ value }: Candidate) => value
        : ({ value, description }: Candidate) => `${value}\t${description}`;
    output.print(found.map((candidate) => `${describe(candidate)}\n`).join(''));
  },
});
