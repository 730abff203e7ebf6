/** The log. It holds ids, counts, times and codes; never a prompt, an answer, a key or a seed. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Discards everything. The default of every part that takes a logger. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
