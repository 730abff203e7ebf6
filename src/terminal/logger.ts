import type { Logger } from '../lib/log.ts';
import type { Output } from './output.ts';

/** Logs to stderr: warnings and errors always, info and debug with `-v`. */
export function createLogger(output: Output): Logger {
  return {
    debug(message, fields) {
      if (output.verbose) output.record('debug', message, fields);
    },
    info(message, fields) {
      if (output.verbose) output.record('info', message, fields);
    },
    warn(message, fields) {
      output.record('warn', message, fields);
    },
    error(message, fields) {
      output.record('error', message, fields);
    },
  };
}
