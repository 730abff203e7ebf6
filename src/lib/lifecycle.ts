import { QvacError } from '../errors.ts';

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

export interface LifecycleInit {
  /** Speaks at once, at the first signal. */
  say(line: string): void;
  /** Leaves the process at once. */
  exit(code: number): void;
  /** How long the program may take to end after the first signal. @default 10_000 */
  readonly graceMs?: number;
  /** Milliseconds on a clock that never goes back. @default performance.now */
  now?(): number;
}

/** One Ctrl-C reaches the program twice, from the terminal and from the process that started it and passes it on. */
const sameKeyMs = 200;

/** How a process ends on request: politely once, at once the second time. */
export interface Lifecycle {
  /** Aborts at the first signal; the reason is a QvacError E_INTERRUPTED or E_TERMINATED. */
  readonly signal: AbortSignal;
  receive(signal: StopSignal): void;
  /** 130 or 143 once a signal came, else null. */
  readonly exitCode: number | null;
  /** Forgets the time limit; the program has ended. */
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
