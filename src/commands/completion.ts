import { readdir } from 'node:fs/promises';
import type { Config } from '../config.ts';
import { QvacError } from '../errors.ts';
import { globalSettings, settings } from '../settings.ts';
import { type Candidate, candidatesFor, type Names } from '../terminal/completion.ts';
import { scripts } from '../terminal/completion-scripts.ts';
import { type CommandDefinition, type CommandEntry, defineCommand, oneOf, option } from './parts/definition.ts';
import { globalSwitches } from './parts/help-pages.ts';

const shells = ['bash', 'zsh', 'fish'] as const;

/** Flags as they stand in help, with what they are for. */
function flagsOf(definition: CommandDefinition | null): readonly Candidate[] {
  const own = Object.values(definition?.options ?? {});
  const keys = [...(definition?.settings ?? []), ...globalSettings];
  const all = [
    ...keys.map((key) => settings[key]),
    ...own,
    ...globalSwitches,
    { flags: '-h, --help', description: 'show help' },
  ];
  return all.map(({ flags, description }) => ({ value: flags, description }));
}

/** What may follow `words`, the words after `qvac`, of which the last is still being typed. */
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

/** Names of this moment: of a gateway that runs here, else of the peers that were seen last; model files, receipts. */
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

/** The configuration with what the line itself says of home and network. */
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

/** Model files by the names that they have there; none is opened. */
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
    'Prints a script for your shell that completes commands, flags, and the names of models, peers and receipts as they are at the moment.',
  arguments: [
    { name: '[words...]', description: 'bash, zsh or fish; with --complete the words typed so far, after --' },
  ],
  options: {
    complete: option(
      '--complete <shell>',
      'what may follow the words after --, a line each; the scripts call this',
      oneOf(...shells),
    ),
  },
  examples: [
    { line: 'qvac completion bash >> ~/.bashrc', what: 'bash' },
    { line: 'qvac completion zsh > ~/.zfunc/_qvac', what: 'zsh, where ~/.zfunc is in fpath' },
    { line: 'qvac completion fish > ~/.config/fish/completions/qvac.fish', what: 'fish' },
  ],
  async action({ args, options, config, output, commands }) {
    if (options.complete === undefined) {
      const shell = shells.find((known) => known === args[0]);
      if (shell === undefined)
        throw new QvacError('E_USAGE', `expected ${shells.join(', ')}`, { hint: 'qvac completion bash >> ~/.bashrc' });
      output.print(scripts[shell]);
      return;
    }
    // Whoever presses a key for help is not to be told of an error.
    const found = await complete(args, commands, () => namesOf(config, args)).catch(() => []);
    const describe =
      options.complete === 'bash'
        ? ({ value }: Candidate) => value
        : ({ value, description }: Candidate) => `${value}\t${description}`;
    output.print(found.map((candidate) => `${describe(candidate)}\n`).join(''));
  },
});
