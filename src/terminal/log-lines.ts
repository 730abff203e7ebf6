import type { LogFields } from '../lib/log.ts';
import { printable } from './printable.ts';

export type Level = 'debug' | 'info' | 'warn' | 'error';

/** A log line for a person: `warn message name=value`. */
export function humanLogLine(level: string, message: string, fields: LogFields = {}): string {
  const pairs = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${printable(String(value))}`],
  );
  return `${level} ${[printable(message), ...pairs].join(' ')}`;
}

/**
 * A log line for a program: `{"time", "level", "message", …fields}`. No field can override the first three.
 * @param toJson writes a value on one line
 */
export function jsonLogLine(
  time: Date,
  level: Level,
  message: string,
  fields: Readonly<Record<string, unknown>>,
  toJson: (value: unknown) => string,
): string {
  const head = { time: time.toISOString(), level, message };
  return toJson({ ...head, ...fields, ...head });
}
