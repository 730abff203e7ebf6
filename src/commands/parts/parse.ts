import { Command, CommanderError, Option } from 'commander';
import { exitCodes, QvacError } from '../../errors.ts';
import { globalSettings, type SettingKey, settings } from '../../settings.ts';
import { type HelpPage, renderHelp } from '../../terminal/help.ts';
import type { Output } from '../../terminal/output.ts';
import type { CommandContext, CommandDefinition, CommandEntry, CommandOption } from './definition.ts';
import { commandPage, globalSwitches, programPage } from './help-pages.ts';

/** A parsed command line, ready to run. Resolves to the exit code. */
export type Run = (signal: AbortSignal) => Promise<number>;

/**
 * Finds the command to run and loads its definition only. Prints help and version.
 * @throws QvacError E_USAGE
 */
export async function parseCommandLine(
  argv: readonly string[],
  entries: readonly CommandEntry[],
  output: Output,
): Promise<Run> {
  let run: Run = () => Promise.resolve(exitCodes.ok);
  const take = (chosen: Run): void => {
    run = chosen;
  };
  let path: string | undefined;
  try {
    // A separate program: parsing leaves option values in it.
    const { operands } = createProgram(entries, output).parseOptions([...argv]);
    const [name, child = ''] = operands[0] === 'help' ? operands.slice(1) : operands;
    const entry = entries.find((command) => command.name === name);
    const program = createProgram(entries, output);
    if (entry !== undefined) {
      const definition = (await entry.load()).command;
      path = Object.hasOwn(definition.subcommands ?? {}, child) ? `${entry.name} ${child}` : entry.name;
      describe(program, entry.name, entry.name, definition, { output, commands: entries }, take);
    }
    if (argv.length === 0) program.outputHelp();
    // Help on an unknown command: the command's own error says what was meant.
    else await program.parseAsync(name !== undefined && entry === undefined ? [name] : [...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === versionCode) output.print(`${await versionLine()}\n`);
    if (error.exitCode !== 0) throw usageError(error, path);
  }
  return run;
}

const versionCode = 'commander.version';

async function versionLine(): Promise<string> {
  const { default: about } = await import('../../../package.json', { with: { type: 'json' } });
  return `qvac ${about.version}`;
}

function usageError(error: CommanderError, path: string | undefined): QvacError {
  const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n');
  const help = `qvac ${path === undefined ? '' : `${path} `}--help`;
  return new QvacError('E_USAGE', message, {
    hint: suggestion === undefined ? help : suggestion.replace(/^\((.*)\)$/, '$1'),
    cause: error,
  });
}

function createProgram(entries: readonly CommandEntry[], output: Output): Command {
  const program = new Command('qvac');
  prepare(program, output, programPage(entries));
  program.option('-V, --version', 'print the version');
  program.on('option:version', () => {
    throw new CommanderError(0, versionCode, '');
  });
  program.helpCommand('help [command]', 'print help for a command');
  for (const key of globalSettings) program.addOption(settingOption(key));
  for (const { flags, description } of globalSwitches) program.addOption(new Option(flags, description));
  for (const { name, summary } of entries)
    program.addCommand(
      prepare(new Command(name), output, { description: summary, usage: `qvac ${name}`, sections: [] }),
    );
  return program;
}

function prepare(command: Command, output: Output, page: HelpPage): Command {
  command.exitOverride();
  command.helpOption('-h, --help', 'print this help');
  command.configureOutput({ writeOut: (text) => output.print(text), writeErr: () => undefined });
  command.helpInformation = () =>
    renderHelp(page, Math.min(output.width, 100), (text) => output.style('bold', text, 'stdout'));
  return command;
}

function settingOption(key: SettingKey): Option {
  const { flags, description, kind } = settings[key];
  const option = new Option(flags, description);
  return kind === 'list' ? option.argParser(collect((text) => text)) : option;
}

function ownOption({ flags, description, parse, many }: CommandOption<unknown>): Option {
  const option = new Option(flags, description);
  if (parse === undefined) return option;
  const named = (text: string): unknown => {
    try {
      return parse(text);
    } catch (error) {
      throw error instanceof QvacError
        ? new QvacError(error.code, `${option.long ?? option.flags}: ${error.message}`, {
            hint: error.hint,
            cause: error,
          })
        : error;
    }
  };
  return option.argParser(many === true ? collect(named) : named);
}

function collect(parse: (text: string) => unknown): (text: string, before: unknown) => readonly unknown[] {
  return (text, before) => [...(Array.isArray(before) ? (before as readonly unknown[]) : []), parse(text)];
}

/** What every command receives. */
type Shared = Pick<CommandContext, 'output' | 'commands'>;

/**
 * Adds arguments, options, action and subcommands of `definition` to the child `name` of `parent`. `path` is what a
 * person types after `qvac`.
 */
function describe(
  parent: Command,
  name: string,
  path: string,
  definition: CommandDefinition,
  shared: Shared,
  take: (run: Run) => void,
): void {
  const command = parent.commands.find((child) => child.name() === name) ?? parent.command(name);
  prepare(command, shared.output, commandPage(path, definition));
  for (const { name: argument, description } of definition.arguments ?? []) command.argument(argument, description);
  for (const key of definition.settings ?? []) command.addOption(settingOption(key));
  for (const option of Object.values(definition.options ?? {})) command.addOption(ownOption(option));
  const subcommands = Object.entries(definition.subcommands ?? {});
  for (const [child, subcommand] of subcommands) describe(command, child, `${path} ${child}`, subcommand, shared, take);
  if (subcommands.length > 0) command.allowExcessArguments();
  command.action(() => {
    if (definition.action !== undefined) {
      take((signal) => act(command, path, definition, shared, signal));
      return;
    }
    const names = subcommands.map(([child]) => child).join(', ');
    const given = command.args[0];
    throw new QvacError(
      'E_USAGE',
      given === undefined
        ? `${path} needs a command: ${names}`
        : `unknown command '${path} ${given}', expected ${names}`,
      { hint: `qvac ${path} --help` },
    );
  });
}

/** Resolves the configuration and runs the action. */
async function act(
  command: Command,
  path: string,
  definition: CommandDefinition,
  { output, commands }: Shared,
  signal: AbortSignal,
): Promise<number> {
  if (definition.keepsLog === true) output.keepLog();
  const [{ resolveConfig }, { createLogger }] = await Promise.all([
    import('../../config.ts'),
    import('../../terminal/logger.ts'),
  ]);
  const values = command.optsWithGlobals<Readonly<Record<string, unknown>>>();
  const typed = (key: string): unknown =>
    command.getOptionValueSourceWithGlobals(key) === 'cli' ? values[key] : undefined;
  const typedText = (key: string): string | undefined => {
    const value = typed(key);
    return typeof value === 'string' ? value : undefined;
  };
  const config = await resolveConfig({
    flags: Object.fromEntries([...globalSettings, ...(definition.settings ?? [])].map((key) => [key, typed(key)])),
    home: typedText('home'),
    configFile: typedText('config'),
    command: path.split(' ')[0],
  });
  const options = Object.fromEntries(
    Object.entries(definition.options ?? {}).map(([key, option]) => [
      key,
      typed(new Option(option.flags).attributeName()) ?? absent(option),
    ]),
  );
  const code = await definition.action?.({
    args: command.args,
    options,
    config,
    output,
    logger: createLogger(output),
    signal,
    commands,
  });
  return code ?? exitCodes.ok;
}

/** The value of an option that is not given. */
function absent({ flags, parse, many }: CommandOption<unknown>): unknown {
  if (many === true) return [];
  return parse === undefined ? flags.startsWith('--no-') : undefined;
}
