import { fileKeyOf, type SettingKey, settings, variableOf } from '../settings.ts';
import { table } from '../terminal/format.ts';
import { defineCommand, defineSubcommand } from './parts/definition.ts';

const show = defineSubcommand({
  summary: 'every setting, its value and where that comes from',
  description:
    'Shows every setting, its value and where that comes from: a flag, a QVAC_* variable, the configuration file or the default. With --json: {home, file, network, settings: {<key>: {value, from, name, variable}}}.',
  examples: [
    { line: 'qvac config show', what: 'all settings' },
    { line: 'QVAC_TEMPERATURE=0 qvac config show --json', what: 'the same for programs' },
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
  description:
    'Settings have one name in three spellings: --max-tokens, QVAC_MAX_TOKENS, and max-tokens in config.toml, where a table such as [serve] holds for that command only. Flags count before variables, variables before the file.',
  examples: [{ line: 'qvac config show', what: 'every setting and where it comes from' }],
  subcommands: { show },
});
