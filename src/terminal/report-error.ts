import { asQvacError } from '../errors.ts';
import type { Output } from './output.ts';
import { printable } from './printable.ts';

/**
 * A failure for people (`qvac: what (why)` and a line of what to do) or, with `--json`, for programs. A bug shows where
 * it came from with `-v` only.
 */
export function reportError(output: Output, error: unknown): void {
  const { code, message, hint, details, cause } = asQvacError(error);
  const bug = code === 'E_BUG';
  const line = printable(message.replaceAll(/\s+/g, ' '), 500);
  const advice = hint ?? (bug ? 'this is a bug in qvac; run it again with -v and report what it prints' : undefined);
  if (output.json) output.result({ error: { code, message: line, ...(advice === undefined ? {} : { hint: advice }), ...(details === undefined ? {} : { details }) } }, []);
  else {
    output.warn(`${output.style('red', 'qvac:')} ${bug ? 'unexpected: ' : ''}${line}`);
    if (advice !== undefined) output.warn(`  ${printable(advice, 500)}`);
  }
  const origin = bug ? cause : error;
  if (output.verbose && origin instanceof Error && origin.stack !== undefined) for (const stackLine of origin.stack.split('\n')) output.warn(`  ${printable(stackLine, 500)}`);
}
