import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { raceSignal } from '../../src/lib/abort.ts';
import type { PeerIdString } from '../../src/lib/types.ts';
import type { RelayStats } from '../../src/node/home/activity.ts';
import type { RelayLimits } from '../../src/node/relay/constants.ts';
import type { Namespaces } from './netns.ts';

/** For the next line, with a machine that is busy. */
const deadlineMs = 60_000;
const script = fileURLToPath(new URL('./relay-script.ts', import.meta.url));

export interface RelayScript {
  /** Key file, made if it is missing. */
  readonly keyPath: string;
  /** @default /ip4/127.0.0.1/tcp/0 */
  readonly listen?: readonly string[] | undefined;
  readonly limits?: Partial<RelayLimits> | undefined;
  readonly kademlia?: boolean | undefined;
}

/** A relay in a separate process, to be measured, killed or stopped. */
export interface RelayProcess {
  readonly child: ChildProcess;
  readonly id: PeerIdString;
  /** The first address that it listens on, a loopback one if there is any. */
  readonly address: string;
  /** What it does, and after a garbage collection the bytes that it keeps and those of the whole process. */
  look(): Promise<{ readonly stats: RelayStats; readonly memoryBytes: number; readonly residentBytes: number }>;
}

/** Starts `relay-script.ts`, and waits until it runs. Killed with the test. @param on a host of a separate network */
export async function startRelayProcess(
  context: TestContext,
  options: RelayScript,
  on?: { readonly network: Pick<Namespaces, 'spawn'>; readonly host: string },
): Promise<RelayProcess> {
  const args = [script, JSON.stringify(options)];
  const child =
    on?.network.spawn(on.host, process.execPath, args, 'pipe') ??
    spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  context.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('a relay without pipes');
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await raceSignal(lines.next(), AbortSignal.timeout(deadlineMs));
    if (done === true) throw new Error('the relay ended');
    return value;
  };
  const { id, address } = JSON.parse(await next()) as { id: PeerIdString; address: string };
  return {
    child,
    id,
    address,
    async look() {
      stdin.write('\n');
      return JSON.parse(await next()) as Awaited<ReturnType<RelayProcess['look']>>;
    },
  };
}
