import { asQvacError, type ErrorCode } from '../../errors.ts';

/** The result of one check. */
export interface Finding {
  readonly name: string;
  readonly result: 'ok' | 'warn' | 'fail';
  /** What was found, in one line. */
  readonly detail: string;
  /** What to do; null if the result is ok, or nothing helps. */
  readonly fix: string | null;
  /** Determines the exit code of a failure. */
  readonly code?: ErrorCode;
}

export function ok(name: string, detail: string): Finding {
  return { name, result: 'ok', detail, fix: null };
}

export function warn(name: string, detail: string, fix: string): Finding {
  return { name, result: 'warn', detail, fix };
}

export function fail(name: string, code: ErrorCode, detail: string, fix: string | null): Finding {
  return { name, result: 'fail', detail, fix, code };
}

/** The finding for an error that was thrown. */
export function failure(name: string, error: unknown): Finding {
  const { code, message, hint } = asQvacError(error);
  return fail(name, code, message, hint ?? null);
}
