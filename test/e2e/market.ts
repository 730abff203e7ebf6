import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, link, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { raceSignal } from '../../src/lib/abort.ts';
import { type ProcessResult, runProgram, startProgram } from '../support/binary.ts';
import { testModel } from '../support/models.ts';

/** How long an event may take on a busy machine, ms. */
const untilMs = 180_000;

/** Flags that keep a process on loopback and in a private network. */
export interface LoopbackMarket {
  readonly flags: readonly string[];
  readonly listen: readonly string[];
}

export function loopbackMarket(): LoopbackMarket {
  const flags = ['--private', `test-${randomBytes(6).toString('hex')}`, '--no-mdns'];
  return { flags, listen: ['--listen', '/ip4/127.0.0.1/tcp/0'] };
}

/** Puts SmolLM2 (Q4_1) into the model store of the home. @returns its file */
export async function withModel(home: string): Promise<string> {
  const { path } = await testModel('q4_1');
  const target = join(home, 'models', 'smollm2-135m', 'q4_1.gguf');
  await mkdir(join(target, '..'), { recursive: true });
  await link(path, target).catch(() => copyFile(path, target));
  return target;
}

/** A `serve` or `route` that prints JSON lines. */
export class RunningNode {
  readonly child: ChildProcessWithoutNullStreams;
  readonly events: Record<string, unknown>[] = [];
  readonly exited: Promise<number | null>;
  stderr = '';
  #changed = Promise.withResolvers<void>();

  constructor(args: readonly string[], home: string, context: TestContext) {
    this.child = startProgram([...args, '--json'], { home });
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.events.push(JSON.parse(line) as Record<string, unknown>);
      this.#wake();
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exited = once(this.child, 'close').then(([code]) => {
      this.#wake();
      return code as number | null;
    });
    context.after(async () => {
      this.child.kill('SIGKILL');
      await this.exited;
    });
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** The first event that fits, past or future. @throws Error if the process ends before, or after three minutes */
  async until(
    fits: (event: Record<string, unknown>) => boolean,
    what = 'what is waited for',
  ): Promise<Record<string, unknown>> {
    const deadline = AbortSignal.timeout(untilMs);
    for (;;) {
      const found = this.events.find(fits);
      if (found !== undefined) return found;
      if (deadline.aborted) throw new Error(`${what} did not happen in ${untilMs / 1_000} s: ${this.stderr}`);
      if (this.child.exitCode !== null || this.child.signalCode !== null)
        throw new Error(`ended before ${what}: ${this.stderr}`);
      await raceSignal(this.#changed.promise, deadline).catch(() => undefined);
    }
  }

  /** The first event of that name, past or future. @throws Error if the process ends before */
  event(name: string): Promise<Record<string, unknown>> {
    return this.until(({ event }) => event === name, `"${name}"`);
  }

  /** Kills the process like a crash, and waits for its end. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  async ready(): Promise<{ readonly peer: string; readonly address: string }> {
    const { peer, addrs } = (await this.event('ready')) as { readonly peer: string; readonly addrs: readonly string[] };
    return { peer, address: addrs[0] ?? '' };
  }
}

/** Runs `qvac ask` with `args` in `home`. */
export function ask(
  market: LoopbackMarket,
  home: string,
  args: readonly string[],
  input?: string,
): Promise<ProcessResult> {
  return runProgram(['ask', ...market.flags, ...args], { home, input });
}
