import { QvacError } from '../errors.ts';

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

export interface LifecycleInit {
  /** Prints a line to the user. */
  say(line: string): void;
  /** Ends the process at once. */
  exit(code: number): void;
  /** How long the program may take to end after the first signal. @default 10_000 */
  readonly graceMs?: number;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  now?(): number;
}

/** One Ctrl-C arrives twice if the parent process forwards it: from the terminal, and from the parent. In ms. */
const sameKeyMs = 200;

/** Ends a process on request: gracefully at the first signal, at once at the second. */
export interface Lifecycle {
  /** Aborts at the first signal; the reason is a QvacError E_INTERRUPTED or E_TERMINATED. */
  readonly signal: AbortSignal;
  receive(signal: StopSignal): void;
  /** 130 or 143 once a signal came, else null. */
  readonly exitCode: number | null;
  /** Clears the time limit: the program has ended. */
  done(): void;
}

export function createLifecycle({
  say,
  exit,
  graceMs = 10_000,
  now = () => performance.now(),
}: LifecycleInit): Lifecycle {
  const controller = new AbortController();
  let stopping: QvacError | null = null;
  let first: { readonly signal: StopSignal; readonly at: number } | null = null;
  let timer: NodeJS.Timeout | undefined;
  return {
    signal: controller.signal,
    receive(signal) {
      if (stopping !== null) {
        if (first?.signal === signal && now() - first.at < sameKeyMs) return;
        exit(stopping.exitCode);
        return;
      }
      first = { signal, at: now() };
      stopping =
        signal === 'SIGINT'
          ? new QvacError('E_INTERRUPTED', 'interrupted')
          : new QvacError('E_TERMINATED', 'terminated');
      const code = stopping.exitCode;
      say(signal === 'SIGINT' ? 'stopping … (Ctrl-C again leaves at once)' : 'stopping …');
      timer = setTimeout(() => exit(code), graceMs);
      controller.abort(stopping);
    },
    get exitCode() {
      return stopping?.exitCode ?? null;
    },
    done() {
      clearTimeout(timer);
    },
  };
}
