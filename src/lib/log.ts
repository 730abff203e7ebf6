/**
 * What a part of the program may say about itself. Never a prompt, an answer, a key or a seed: only ids, counts,
 * times, codes and peer ids.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Says nothing. The default of every part that takes a logger. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
