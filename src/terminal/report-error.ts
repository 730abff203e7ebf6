import { asQvacError } from '../errors.ts';
import type { Output } from './output.ts';
import { printable } from './printable.ts';

/**
 * Reports a failure: to people as `qvac: <what failed>` and a line with the hint, to programs as JSON with `--json`, to
 * a log as its last record. Prints the stack of a bug with `-v` only.
 */
export function reportError(output: Output, error: unknown): void {
  const { code, message, hint, details, cause } = asQvacError(error);
  const bug = code === 'E_BUG';
  const line = printable(message.replaceAll(/\s+/g, ' '), 500);
  const advice = hint ?? (bug ? 'this is a bug in qvac; run it again with -v and report the output' : undefined);
  const stack = stackOf(output, bug ? cause : error);
  const facts = { ...(advice === undefined ? {} : { hint: advice }), ...(details === undefined ? {} : { details }) };
  if (output.json) output.result({ error: { code, message: line, ...facts } }, []);
  else if (output.logsJson)
    return output.record('error', line, {
      code,
      ...(advice === undefined ? {} : { hint: advice }),
      ...(stack === null ? {} : { stack }),
    });
  else {
    output.warn(`${output.style('red', 'qvac:')} ${bug ? 'unexpected: ' : ''}${line}`);
    if (advice !== undefined) output.warn(`  ${printable(advice, 500)}`);
  }
  sayStack(output, stack);
}

/** Reports an error or warning that no command caught, in one line that begins with `kind`. */
export function reportStray(output: Output, kind: string, error: unknown): void {
  const { message, cause } = asQvacError(error);
  const line = printable(`${kind}: ${message.split('\n')[0] ?? ''}`, 500);
  const stack = stackOf(output, cause);
  const level = cause instanceof Error && cause.name.endsWith('Warning') ? 'warn' : 'error';
  if (output.logsJson) return output.record(level, line, stack === null ? {} : { stack });
  output.warn(`qvac: ${line}`);
  sayStack(output, stack);
}

/** The stack of `origin`, with `-v` only. */
function stackOf({ verbose }: Output, origin: unknown): string | null {
  return verbose && origin instanceof Error && origin.stack !== undefined ? origin.stack : null;
}

function sayStack(output: Output, stack: string | null): void {
  for (const line of stack?.split('\n') ?? []) output.warn(`  ${printable(line, 500)}`);
}
