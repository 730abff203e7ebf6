/** The exit codes of every command, as listed in `qvac --help`. */
export const exitCodes = {
  ok: 0,
  bug: 1,
  usage: 2,
  configuration: 3,
  network: 4,
  payment: 5,
  verification: 6,
  model: 7,
  interrupted: 130,
  terminated: 143,
} as const;

/** The exit code of each error code. Error codes are part of the interface: `--json` and HTTP show them. */
const exitCodeOf = {
  E_BUG: exitCodes.bug,
  E_USAGE: exitCodes.usage,
  E_BAD_INPUT: exitCodes.usage,
  E_MALFORMED_RECEIPT: exitCodes.usage,
  E_NOT_FOUND: exitCodes.usage,
  E_CONFIG: exitCodes.configuration,
  E_KEY: exitCodes.configuration,
  E_LOCKED: exitCodes.configuration,
  E_PORT_IN_USE: exitCodes.configuration,
  E_HOME: exitCodes.configuration,
  E_NO_PROVIDER: exitCodes.network,
  E_NETWORK: exitCodes.network,
  E_BAD_PEER: exitCodes.network,
  E_NOT_SERVED: exitCodes.network,
  E_BUSY: exitCodes.network,
  E_FAILED: exitCodes.network,
  E_TRUNCATED: exitCodes.network,
  E_TIMEOUT: exitCodes.network,
  E_TOO_DEAR: exitCodes.payment,
  E_LIMIT: exitCodes.payment,
  E_CHAIN: exitCodes.network,
  E_FUNDS: exitCodes.payment,
  E_ESCROW: exitCodes.payment,
  E_VERIFICATION_FAILED: exitCodes.verification,
  E_INCONCLUSIVE: exitCodes.verification,
  E_MODEL: exitCodes.model,
  E_NO_MODEL: exitCodes.model,
  E_ENGINE: exitCodes.model,
  E_CONTEXT: exitCodes.model,
  E_INTERRUPTED: exitCodes.interrupted,
  E_TERMINATED: exitCodes.terminated,
} as const;

export type ErrorCode = keyof typeof exitCodeOf;

export interface QvacErrorInit {
  /** The next command or step, in one line. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Facts for `--json`: ids and numbers, never content or keys. */
  readonly details?: Readonly<Record<string, unknown>> | undefined;
  /** The part of `message` that a peer or a model's template wrote. It may hold a prompt, so logs leave it out. */
  readonly quoted?: string | undefined;
}

/**
 * A failure that people and programs can act on: `message` says what failed, with the value, in one line; `hint` is the
 * next command; `code` is stable. Any other error is a bug.
 *
 * ```ts
 * throw new QvacError('E_NO_PROVIDER', 'no provider offers qwen3-4b', { hint: 'qvac peers' });
 * ```
 */
export class QvacError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly quoted: string | undefined;

  constructor(code: ErrorCode, message: string, init: QvacErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = 'QvacError';
    this.code = code;
    this.hint = init.hint;
    this.details = init.details;
    this.quoted = init.quoted;
  }

  get exitCode(): number {
    return exitCodeOf[this.code];
  }
}

/** `thrown` as an `Error`, which is what a stream or a signal is aborted with. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** The message of anything thrown. It may quote a peer; logs use `ownWordsOf` instead. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The message of `error` for a log, without quotes of peers. */
export function ownWordsOf(error: unknown): string {
  const message = messageOf(error);
  return error instanceof QvacError && error.quoted !== undefined && error.quoted !== ''
    ? message.replaceAll(error.quoted, '…')
    : message;
}

/** The `QvacError` in `error`, or `error` wrapped as a bug. */
export function asQvacError(error: unknown): QvacError {
  if (error instanceof QvacError) return error;
  const message = messageOf(error);
  return new QvacError('E_BUG', message, { cause: error });
}
