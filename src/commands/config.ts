import { fileKeyOf, type SettingKey, settings, variableOf } from '../settings.ts';
import { table } from '../terminal/format.ts';
import { defineCommand, defineSubcommand } from './parts/definition.ts';

const show = defineSubcommand({
  summary: 'show every setting, its value and its source',
  description:
    'Show every setting with its value and its source: a flag, a QVAC_* variable, the configuration file, or default.',
  examples: [
    { line: 'qvac config show', what: 'show all settings' },
    { line: 'QVAC_TEMPERATURE=0 qvac config show --json', what: 'print them as JSON' },
  ],
  async action({ config, output }) {
    const keys = Object.keys(settings) as readonly SettingKey[];
    const entries = keys.map((key) => {
      const origin = config.origins[key];
      return {
        key,
        value: config.settings[key],
        from: origin.from,
        name: origin.from === 'default' ? null : origin.name,
        variable: variableOf(key),
      };
    });
    const { home } = config;
    output.result(
      {
        home: home.root,
        file: home.configFile,
        network: config.networkName,
        settings: Object.fromEntries(entries.map(({ key, ...entry }) => [fileKeyOf(key), entry])),
      },
      [
        `home     ${home.root}`,
        `file     ${home.configFile}`,
        `network  ${config.networkName}`,
        '',
        ...table(
          ['SETTING', 'VALUE', 'FROM'],
          entries.map(({ key, value, from, name }) => [
            fileKeyOf(key),
            value === null ? '-' : Array.isArray(value) ? value.join(' ') || '-' : String(value),
            name ?? from,
          ]),
        ),
      ],
    );
  },
});

export const command = defineCommand({
  description: [
    'Show the configuration. A setting has three names: --max-tokens, QVAC_MAX_TOKENS, and max-tokens in config.toml.',
    'A table such as [serve] in the file applies to that command only.',
    'A flag overrides a variable, a variable overrides the file.',
  ].join(' '),
  examples: [{ line: 'qvac config show', what: 'show every setting and its source' }],
  subcommands: { show },
});
