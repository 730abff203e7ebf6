import { globalSettings, type SettingKey, settings, variableOf } from '../../settings.ts';
import type { HelpPage, HelpSection } from '../../terminal/help.ts';
import { type CommandDefinition, type CommandEntry, groups } from './definition.ts';

type Items = HelpSection['items'];

/** Options of every command that are no settings. */
export const globalSwitches = [
  { flags: '--home <dir>', description: 'where everything is kept [QVAC_HOME]' },
  { flags: '--config <file>', description: 'the configuration file [QVAC_CONFIG]' },
  { flags: '--json', description: 'data as JSON on stdout' },
  { flags: '-q, --quiet', description: 'only data, warnings and errors' },
  { flags: '-v, --verbose', description: 'say more; show where a bug came from' },
] as const;

const examples: Items = [
  ['qvac ask "why is the sky blue?"', 'ask whoever is best, and check the answer'],
  ['qvac serve --model smollm2-135m', 'offer a model to others'],
  ['qvac verify 9f3a', 'check the receipt of an earlier answer'],
];

const variables: Items = [
  ['QVAC_<SETTING>', 'any setting, as QVAC_MAX_TOKENS=256; qvac config show lists them'],
  ['NO_COLOR', 'no colours'],
  ['DEBUG', "the network library's own log, as libp2p:*"],
];

const exitCodes: Items = [
  ['0', 'done'],
  ['1', 'a bug in qvac'],
  ['2', 'usage, an input that was refused, a malformed receipt'],
  ['3', 'configuration, keys, the home, a port in use'],
  ['4', 'no provider, the network, a broken or late answer'],
  ['5', 'payment: too dear, or a limit reached'],
  ['6', 'a check failed, or the full check asked for could not be made'],
  ['7', 'a model or the engine'],
  ['130, 143', 'stopped by Ctrl-C, by SIGTERM'],
];

const everyCommand: HelpSection = {
  title: 'Options of every command',
  items: [
    ...globalSettings.map(settingItem),
    ...globalSwitches.map(({ flags, description }) => [flags, description] as const),
    ['-h, --help', 'show this help'],
    ['-V, --version', 'print the version'],
  ],
};

/** Of a command that runs until it is stopped. */
const logWords: Items = [
  ['on a terminal', 'lines for people'],
  [
    'elsewhere',
    'on stderr one JSON object a line: {time, level, message, …}, level debug, info, warn or error; the error that ends it is the last, with its code',
  ],
  ['-q, -v', 'warnings and errors only; debug as well. No level has a word of a prompt or of an answer'],
];

/** A setting's flag with its default and its variable. */
function settingItem(key: SettingKey): readonly [string, string] {
  const { flags, description, kind, default: value, ...rest } = settings[key];
  const words =
    value === null
      ? 'otherwise' in rest
        ? rest.otherwise
        : ''
      : kind === 'boolean'
        ? ''
        : kind === 'list'
          ? value.join(' ')
          : String(value);
  return [flags, `${description}${words === '' ? '' : ` (default: ${words})`} [${variableOf(key)}]`];
}

/** `qvac --help`. */
export function programPage(entries: readonly CommandEntry[]): HelpPage {
  return {
    description: 'Ask open models on other people’s machines, and check that they answered. Offer yours to others.',
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
      everyCommand,
    ],
  };
}
