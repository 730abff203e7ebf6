import type { Config } from '../../config.ts';
import { QvacError } from '../../errors.ts';
import type { Logger } from '../../lib/log.ts';
import { parseLamports, type SettingKey } from '../../settings.ts';
import type { Output } from '../../terminal/output.ts';

export const groups = ['Ask', 'Take part', 'Money', 'Check', 'This machine'] as const;

/** A command in the list of cli.ts. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly group: (typeof groups)[number];
  load(): Promise<{ readonly command: CommandDefinition }>;
}

/** What an action gets. `options` are the command's own, by the keys under which it declared them. */
export interface CommandContext<Options = Readonly<Record<string, unknown>>> {
  /** As typed, a variadic one spread. */
  readonly args: readonly string[];
  readonly options: Options;
  /** Flags, variables, file and defaults merged; `config.settings.model` and so on. */
  readonly config: Config;
  readonly output: Output;
  readonly logger: Logger;
  /**
   * Aborts at the first Ctrl-C or SIGTERM, after which the action has about ten seconds to end; how it ends no longer
   * matters to the exit code (130, 143).
   */
  readonly signal: AbortSignal;
  /** All commands there are, for those that tell of them. */
  readonly commands: readonly CommandEntry[];
}

/** One flag that is not a setting: it stands on the command line only. */
export interface CommandOption<Value> {
  /** `-f, --force` or `--seed <n>`. */
  readonly flags: string;
  readonly description: string;
  /** Absent for a switch. @throws QvacError E_USAGE */
  readonly parse?: (text: string) => unknown;
  /** May be repeated; the value is an array, empty where it is not given. */
  readonly many?: boolean;
  /** Never there at run time: carries the value's type. */
  readonly value?: Value;
}

type Options = Readonly<Record<string, CommandOption<unknown>>>;
type ValuesOf<O extends Options> = {
  readonly [Key in keyof O]: O[Key] extends CommandOption<infer Value> ? Value : never;
};

/** A command as its file in `commands/` describes it. Its name and one-line summary stand in cli.ts. */
export interface CommandDefinition {
  /** A few sentences for `qvac <command> --help`: what it does, what it prints. */
  readonly description: string;
  readonly arguments?: readonly {
    /** `<receipt>`, `[prompt...]` */ readonly name: string;
    readonly description: string;
  }[];
  /** Which settings are flags of this command, besides the global ones. */
  readonly settings?: readonly SettingKey[];
  readonly options?: Options;
  /** At least one. */
  readonly examples: readonly { readonly line: string; readonly what: string }[];
  readonly subcommands?: Readonly<Record<string, Subcommand>>;
  /** It runs until it is stopped, and what it says off-terminal is read by programs: JSON lines. */
  readonly keepsLog?: boolean;
  /**
   * The composition root: builds concrete parts, calls one function, prints. Everything from node/, model/, escrow/ and
   * gateway/ comes by `await import(…)` in here, so that `--help` loads none of it.
   * @returns an exit code where it is not 0 and the reason has been printed already; other failures are thrown
   */
  // A method, so that an action may ask for the precise type of its own options.
  action?(context: CommandContext): Promise<number | void>;
}

export interface Subcommand extends CommandDefinition {
  readonly summary: string;
}

interface Typed<O extends Options> {
  readonly options?: O;
  action?(context: CommandContext<ValuesOf<O>>): Promise<number | void>;
}

/**
 * ```ts
 * export const command = defineCommand({
 *   description: '…',
 *   arguments: [{ name: '[prompt...]', description: '…' }],
 *   settings: ['model', 'temperature'],
 *   options: { seed: option('--seed <n>', 'the same answer again', parseSeed) },
 *   examples: [{ line: 'qvac ask "why is the sky blue?"', what: 'ask whoever is best' }],
 *   async action({ args, options, config, output, signal }) {
 *     const { ask } = await import('../../node/client/ask.ts');
 *     …
 *   },
 * });
 * ```
 */
export function defineCommand<const O extends Options = Readonly<Record<never, never>>>(
  definition: Omit<CommandDefinition, 'options' | 'action'> & Typed<O>,
): CommandDefinition {
  return definition;
}

export function defineSubcommand<const O extends Options = Readonly<Record<never, never>>>(
  definition: Omit<Subcommand, 'options' | 'action'> & Typed<O>,
): Subcommand {
  return definition;
}

/** A switch: true where given, else false. */
export function flag(flags: string, description: string): CommandOption<boolean> {
  return { flags, description };
}

/** An option with a value; undefined where not given. */
export function option<Value>(
  flags: string,
  description: string,
  parse: (text: string) => Value,
): CommandOption<Value | undefined> {
  return { flags, description, parse };
}

/** An option that may be repeated. */
export function manyOf<Value>(
  flags: string,
  description: string,
  parse: (text: string) => Value,
): CommandOption<readonly Value[]> {
  return { flags, description, parse, many: true };
}

/** For `option`: any text. */
export function anyText(text: string): string {
  return text;
}

/** For `option`: a whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max)
      throw new QvacError('E_USAGE', `expected a whole number from ${min} to ${max}, got "${text}"`);
    return value;
  };
}

/** For `option` and arguments: lamports, above zero. */
export function amount(text: string): bigint {
  const lamports = parseLamports(text);
  if (lamports === null || lamports <= 0n || lamports >= 1n << 63n)
    throw new QvacError('E_USAGE', `expected lamports or an amount as 0.01sol, got "${text}"`);
  return lamports;
}

/** For `option`: one of `values`. */
export function oneOf<const Value extends string>(...values: readonly Value[]): (text: string) => Value {
  return (text) => {
    const found = values.find((value) => value === text);
    if (found === undefined) throw new QvacError('E_USAGE', `expected ${values.join(', ')}, got "${text}"`);
    return found;
  };
}
