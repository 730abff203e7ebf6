import type { LogFields, Logger } from '../lib/log.ts';
import type { Output } from './output.ts';
import { printable } from './printable.ts';

/** Log lines on stderr: warnings and errors always, the rest with `-v`. Fields come after the message as `name=value`. */
export function createLogger(output: Output): Logger {
  const line = (level: string, message: string, fields: LogFields | undefined): string => {
    const pairs = Object.entries(fields ?? {}).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${printable(String(value))}`]));
    return `${output.style('dim', new Date().toISOString().slice(11, 23))} ${level} ${[printable(message), ...pairs].join(' ')}`;
  };
  return {
    debug(message, fields) {
      if (output.verbose) output.detail(line('debug', message, fields));
    },
    info(message, fields) {
      if (output.verbose) output.detail(line('info', message, fields));
    },
    warn(message, fields) {
      output.warn(line(output.style('yellow', 'warn'), message, fields));
    },
    error(message, fields) {
      output.warn(line(output.style('red', 'error'), message, fields));
    },
  };
}
