import type { Config } from '../../config.ts';
import { QvacError } from '../../errors.ts';
import type { Logger } from '../../lib/log.ts';
import { parseLamports, type SettingKey } from '../../settings.ts';
import type { Output } from '../../terminal/output.ts';

export const groups = ['Ask', 'Serve', 'Money', 'Verify', 'This machine'] as const;

/** An entry of the command list in cli.ts. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly group: (typeof groups)[number];
  load(): Promise<{ readonly command: CommandDefinition }>;
}

/** What an action receives. `options` are the command's own options, by their keys in its definition. */
export interface CommandContext<Options = Readonly<Record<string, unknown>>> {
  /** Arguments as typed; a variadic argument is spread. */
  readonly args: readonly string[];
  readonly options: Options;
  /** Flags, variables, file and defaults, merged: `config.settings.model`, … */
  readonly config: Config;
  readonly output: Output;
  readonly logger: Logger;
  /**
   * Aborts at the first SIGINT or SIGTERM. The action then has ten seconds to end, and its result no longer changes the
   * exit code (130, 143).
   */
  readonly signal: AbortSignal;
  /** Every command, for completion. */
  readonly commands: readonly CommandEntry[];
}

/** A flag that is not a setting: it exists on the command line only. */
export interface CommandOption<Value> {
  /** `-f, --force` or `--seed <n>`. */
  readonly flags: string;
  /** At most 70 characters. */
  readonly description: string;
  /** Absent for a switch. @throws QvacError E_USAGE */
  readonly parse?: (text: string) => unknown;
  /** Repeatable: the value is an array, empty if the option is not given. */
  readonly many?: boolean;
  /** Never set at run time: carries the type of the value. */
  readonly value?: Value;
}

type Options = Readonly<Record<string, CommandOption<unknown>>>;
type ValuesOf<O extends Options> = {
  readonly [Key in keyof O]: O[Key] extends CommandOption<infer Value> ? Value : never;
};

/** A command as its file in `commands/` describes it. Its name and summary are in cli.ts. */
export interface CommandDefinition {
  /** A few imperative sentences for `qvac <command> --help`. The JSON output is described in docs/json.md. */
  readonly description: string;
  readonly arguments?: readonly {
    /** `<receipt>`, `[prompt...]` */
    readonly name: string;
    /** At most 70 characters. */
    readonly description: string;
  }[];
  /** The settings that are flags of this command, besides the global ones. */
  readonly settings?: readonly SettingKey[];
  readonly options?: Options;
  /** At least one. */
  readonly examples: readonly { readonly line: string; readonly what: string }[];
  /** What people may expect of this command and do not get, and what happens instead. */
  readonly notSupported?: readonly { readonly what: string; readonly instead: string }[];
  readonly subcommands?: Readonly<Record<string, Subcommand>>;
  /** The command runs until it is stopped, and logs JSON lines off a terminal. */
  readonly keepsLog?: boolean;
  /**
   * Calls one function of sdk/ and prints the result. Imports sdk/, node/, model/, escrow/ and gateway/ by
   * `await import(…)` in here, so that `--help` loads none of them.
   * @returns an exit code if it is not 0 and the reason has been printed; other failures are thrown
   */
  // A method, so that an action can declare the precise type of its own options.
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
 *   options: { seed: option('--seed <n>', 'fixed seed', parseSeed) },
 *   examples: [{ line: 'qvac ask "why is the sky blue?"', what: 'ask the best provider' }],
 *   async action({ args, options, config, output, signal }) {
 *     const { openClient } = await import('../sdk/client.ts');
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

/** A switch: true if given, else false. `--no-…` is the other way round. */
export function flag(flags: string, description: string): CommandOption<boolean> {
  return { flags, description };
}

/** An option with a value; undefined if not given. */
export function option<Value>(
  flags: string,
  description: string,
  parse: (text: string) => Value,
): CommandOption<Value | undefined> {
  return { flags, description, parse };
}

/** A repeatable option. */
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

/** Largest signed 64-bit integer, more than all lamports that exist. */
const maxAmount = (1n << 63n) - 1n;

/** For `option` and arguments: a positive amount in lamports. */
export function amount(text: string): bigint {
  const lamports = parseLamports(text);
  if (lamports === null || lamports <= 0n)
    throw new QvacError('E_USAGE', `expected lamports or an amount such as 0.01sol, got "${text}"`);
  if (lamports > maxAmount) throw new QvacError('E_USAGE', `expected at most ${maxAmount} lamports, got "${text}"`);
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
