import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { launcher } from './binary.ts';

/** Why there is no terminal for tests here, or null if there is one. */
export const noTerminals: string | null =
  spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0
    ? null
    : 'there is no script(1) here that makes a terminal';

/** The real program on a pseudo-terminal: its standard input, output and errors. */
export class TerminalProgram {
  /** Everything that the terminal has shown so far. */
  text = '';
  readonly #child: ChildProcessWithoutNullStreams;
  #changed = Promise.withResolvers<void>();

  constructor(context: TestContext, args: readonly string[], environment: Readonly<Record<string, string>>) {
    const command = ['exec', process.execPath, launcher, ...args]
      .map((word) => `'${word}'`)
      .join(' ')
      .replace("'exec'", 'exec');
    this.#child = spawn('script', ['-qefc', command, '/dev/null'], {
      env: { PATH: process.env.PATH ?? '', TERM: 'xterm', SHELL: '/bin/sh', ...environment },
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.text += text;
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    });
    this.#child.on('close', () => this.#changed.resolve());
    this.#child.stdin.on('error', () => undefined);
    context.after(() => this.#child.kill('SIGKILL'));
  }

  /** Resolves as soon as the terminal has shown it. @throws Error if the program ends first */
  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text)) {
      if (this.#child.exitCode !== null)
        throw new Error(`ended without ${String(pattern)}: ${JSON.stringify(this.text)}`);
      await this.#changed.promise;
    }
  }

  /** Types, as a person does; `\x03` is Ctrl-C. */
  type(keys: string): void {
    this.#child.stdin.write(keys);
  }

  /** The exit code, once it has ended by itself. */
  async ended(): Promise<number> {
    if (this.#child.exitCode === null) await once(this.#child, 'close');
    return this.#child.exitCode ?? -1;
  }
}
