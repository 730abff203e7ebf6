import { runCli } from '../../src/cli.ts';
import type { StopSignal } from '../../src/lib/lifecycle.ts';
import { MemorySink } from './memory-sink.ts';

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly stdout: MemorySink;
  readonly stderr: MemorySink;
  readonly done: Promise<CliResult>;
  /** Aborts like a signal to the process. */
  send(signal: StopSignal): void;
}

/** Runs a command line in this process, as `main.ts` does. */
export function startCli(args: readonly string[], options: { readonly terminal?: boolean } = {}): RunningCli {
  const stdout = new MemorySink(options.terminal);
  const stderr = new MemorySink(options.terminal);
  const listeners: ((signal: StopSignal) => void)[] = [];
  const exits: number[] = [];
  const done = runCli(args, {
    stdout,
    stderr,
    onSignal: (listener) => listeners.push(listener),
    onStray: () => undefined,
    exitNow: (code) => exits.push(code),
  }).then((code) => ({ code: exits[0] ?? code, stdout: stdout.text, stderr: stderr.text }));
  return {
    stdout,
    stderr,
    done,
    send(signal) {
      for (const listener of listeners) listener(signal);
    },
  };
}

export function runInProcess(
  args: readonly string[],
  options: { readonly terminal?: boolean } = {},
): Promise<CliResult> {
  return startCli(args, options).done;
}
