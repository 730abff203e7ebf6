import { asQvacError, type ErrorCode } from '../errors.ts';

export interface ProblemInit {
  /** The field of the request that is wrong. */
  readonly param?: string | null | undefined;
  readonly hint?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly cause?: unknown;
}

/** An error response: an HTTP status, a stable code and one line for people. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly param: string | null;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, init: ProblemInit = {}) {
    super(init.hint === undefined ? message : `${message} (${init.hint})`, { cause: init.cause });
    this.name = 'Problem';
    this.status = status;
    this.code = code;
    this.param = init.param ?? null;
    this.headers = init.headers ?? {};
  }
}

/** A field of the request has a wrong value. */
export function badField(param: string, message: string): Problem {
  return new Problem(400, 'E_USAGE', message, { param });
}

/**
 * A field, or a value of it, that this gateway does not support.
 * @param value the value meant, such as `other than 1`. @default the field as a whole
 * @param note why, or what to send instead
 */
export function unsupported(param: string, value = '', note = ''): Problem {
  const reason = note === '' ? '' : ` (${note})`;
  return new Problem(400, 'E_UNSUPPORTED', `${param}${value === '' ? '' : ` ${value}`} is not supported${reason}`, {
    param,
  });
}

const statusOf: Readonly<Record<ErrorCode, number>> = {
  E_BUG: 500,
  E_USAGE: 400,
  E_BAD_INPUT: 400,
  E_MALFORMED_RECEIPT: 500,
  E_NOT_FOUND: 404,
  E_CONFIG: 500,
  E_KEY: 500,
  E_LOCKED: 500,
  E_PORT_IN_USE: 500,
  E_HOME: 500,
  E_NO_PROVIDER: 404,
  E_NETWORK: 503,
  E_BAD_PEER: 502,
  E_NOT_SERVED: 403,
  E_BUSY: 503,
  E_FAILED: 502,
  E_TRUNCATED: 502,
  E_TIMEOUT: 504,
  E_TOO_DEAR: 402,
  E_LIMIT: 402,
  E_CHAIN: 503,
  E_FUNDS: 402,
  E_ESCROW: 402,
  E_VERIFICATION_FAILED: 502,
  E_INCONCLUSIVE: 502,
  E_MODEL: 500,
  E_NO_MODEL: 404,
  E_ENGINE: 500,
  E_CONTEXT: 400,
  E_INTERRUPTED: 503,
  E_TERMINATED: 503,
};

/** The error response for `error`. A bug's message is not shown. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const { code, message, hint } = asQvacError(error);
  const status = statusOf[code];
  if (code === 'E_BUG') return new Problem(500, code, 'the gateway failed', { cause: error });
  // The original hint is for people on the command line.
  const advice =
    code === 'E_TOO_DEAR' && hint !== undefined
      ? 'the operator can raise the limit with --max-price, for programs that send the run’s token or an API key'
      : hint;
  return new Problem(status, code, message, {
    hint: advice,
    cause: error,
    headers: status === 503 ? { 'retry-after': '2' } : {},
  });
}
