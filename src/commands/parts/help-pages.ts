import { globalSettings, type SettingKey, settings, variableOf } from '../../settings.ts';
import type { HelpPage, HelpSection } from '../../terminal/help.ts';
import { type CommandDefinition, type CommandEntry, groups } from './definition.ts';

type Items = HelpSection['items'];

/** Flags of every command that are not settings. */
export const globalSwitches = [
  { flags: '--home <dir>', description: 'home folder: keys, receipts, models [QVAC_HOME]' },
  { flags: '--config <file>', description: 'configuration file [QVAC_CONFIG]' },
  { flags: '--json', description: 'print data as JSON on stdout; fields: docs/json.md' },
  { flags: '-q, --quiet', description: 'print only data, warnings and errors' },
  { flags: '-v, --verbose', description: 'print details, and the stack of a bug' },
] as const;

const examples: Items = [
  ['qvac ask "why is the sky blue?"', 'ask the best provider and check the answer'],
  ['qvac serve --model smollm2-135m', 'offer a model to other people'],
  ['qvac verify 9f3a', 'check the receipt of an earlier answer'],
];

const variables: Items = [
  ['QVAC_<SETTING>', 'any setting: QVAC_MAX_TOKENS=256; qvac config show lists them'],
  ['NO_COLOR', 'disable colours'],
  ['DEBUG', 'enable the log of the network library: libp2p:*'],
];

const exitCodes: Items = [
  ['0', 'success'],
  ['1', 'a bug in qvac'],
  ['2', 'usage, refused input, or malformed receipt'],
  ['3', 'configuration, key, home folder, or port in use'],
  ['4', 'no provider, network failure, or truncated or late answer'],
  ['5', 'payment: price too high, limit reached, or no funds'],
  ['6', 'a check failed, or the full check could not be made'],
  ['7', 'model or engine'],
  ['130, 143', 'stopped by Ctrl-C or SIGTERM'],
];

const everyCommand: HelpSection = {
  title: 'Options of every command',
  items: [
    ...globalSettings.map(settingItem),
    ...globalSwitches.map(({ flags, description }) => [flags, description] as const),
    ['-h, --help', 'print this help'],
    ['-V, --version', 'print the version'],
  ],
};

/** For commands that run until they are stopped. */
const logWords: Items = [
  ['on a terminal', 'readable lines on stderr'],
  ['otherwise', 'one JSON object per line on stderr; fields: docs/json.md'],
  ['-q, -v', 'warnings and errors only; debug messages, too'],
  ['privacy', 'prompts and answers are never logged'],
];

/** The flag of a setting, with its default and its variable. */
function settingItem(key: SettingKey): readonly [string, string] {
  const { flags, description, kind, default: value, ...rest } = settings[key];
  const words =
    'otherwise' in rest
      ? rest.otherwise
      : value === null || kind === 'boolean'
        ? ''
        : kind === 'list'
          ? value.join(' ')
          : String(value);
  return [flags, `${description}${words === '' ? '' : ` (default: ${words})`} [${variableOf(key)}]`];
}

/** `qvac --help`. */
export function programPage(entries: readonly CommandEntry[]): HelpPage {
  return {
    description: 'Query open models on other people’s machines, verify the answers, and offer your own models.',
    usage: 'qvac <command> [options]',
    sections: [
      { title: 'Examples', items: examples },
      ...groups.map((group) => ({
        title: group,
        items: entries.filter((entry) => entry.group === group).map(({ name, summary }) => [name, summary] as const),
      })),
      everyCommand,
      { title: 'Variables', items: variables },
      { title: 'Exit codes', items: exitCodes },
    ],
  };
}

/** `qvac <path> --help`. */
export function commandPage(path: string, definition: CommandDefinition): HelpPage {
  const subcommands = Object.entries(definition.subcommands ?? {});
  const operands = definition.arguments ?? [];
  return {
    description: definition.description,
    usage: [
      'qvac',
      path,
      ...(subcommands.length > 0 ? ['<command>'] : []),
      ...operands.map(({ name }) => name),
      '[options]',
    ].join(' '),
    sections: [
      { title: 'Examples', items: definition.examples.map(({ line, what }) => [line, what] as const) },
      { title: 'Commands', items: subcommands.map(([name, { summary }]) => [name, summary] as const) },
      { title: 'Arguments', items: operands.map(({ name, description }) => [name, description] as const) },
      { title: 'Log', items: definition.keepsLog === true ? logWords : [] },
      {
        title: 'Options',
        items: [
          ...(definition.settings ?? []).map(settingItem),
          ...Object.values(definition.options ?? {}).map(({ flags, description }) => [flags, description] as const),
        ],
      },
      {
        title: 'Not supported',
        items: (definition.notSupported ?? []).map(({ what, instead }) => [what, instead] as const),
      },
      everyCommand,
    ],
  };
}
