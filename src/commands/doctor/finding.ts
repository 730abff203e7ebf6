import { asQvacError, type ErrorCode } from '../../errors.ts';

/** What one look at this machine found. */
export interface Finding {
  readonly name: string;
  readonly result: 'ok' | 'warn' | 'fail';
  /** What is, in one line. */
  readonly detail: string;
  /** What to do, where it is not ok. */
  readonly fix: string | null;
  /** Whose exit code a failure has. */
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

/** A failure that was thrown. */
export function failure(name: string, error: unknown): Finding {
  const { code, message, hint } = asQvacError(error);
  return fail(name, code, message, hint ?? null);
}
