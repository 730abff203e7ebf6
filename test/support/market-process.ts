import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./market-script.ts', import.meta.url));

/** The task of a separate process, to be killed or frozen in the middle of it. */
export type MarketScript =
  /** Serves a scripted model, slowly. */
  | { readonly role: 'provider'; readonly stepMs: number }
  /** Asks the provider at this address for a long answer. */
  | { readonly role: 'client'; readonly address: string };

export interface MarketProcess {
  readonly child: ChildProcess;
  /** Printed by a provider. */
  readonly address: string;
  /** Printed by a client when the first text arrives. */
  readonly streaming: Promise<void>;
}

/** Starts `market-script.ts`. Killed with the test. */
export async function startMarketProcess(context: TestContext, what: MarketScript): Promise<MarketProcess> {
  const child = spawn(process.execPath, [script, JSON.stringify(what)], { stdio: ['ignore', 'pipe', 'inherit'] });
  context.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  const lines = createInterface({ input: child.stdout });
  const streaming = Promise.withResolvers<void>();
  const started = Promise.withResolvers<string>();
  child.on('exit', () => started.reject(new Error('the process ended')));
  lines.on('line', (line) => {
    const said = JSON.parse(line) as { readonly address?: string; readonly streaming?: true };
    if (said.address !== undefined) started.resolve(said.address);
    if (said.streaming === true) streaming.resolve();
  });
  return { child, address: await started.promise, streaming: streaming.promise };
}
