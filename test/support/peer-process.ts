import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { raceSignal } from '../../src/lib/abort.ts';
import type { PeerRole } from '../../src/node/peer/libp2p.ts';
import type { Lan } from './netns.ts';

/** For the next line, with a machine that is busy. */
const deadlineMs = 60_000;
const script = fileURLToPath(new URL('./peer-script.ts', import.meta.url));

/** A node in a separate process, to be killed or stopped. */
export interface PeerProcess {
  readonly child: ChildProcess;
  readonly id: string;
  /** The first address that it listens on, a loopback one if there is any. */
  readonly address: string;
  /** The next event, of its list of live peers `up <peer>` or `down <peer>`; each is returned once. */
  event(): Promise<string>;
  /** Skips events until the next that matches. */
  eventLike(pattern: RegExp): Promise<string>;
}

export interface PeerScript {
  /** Key file, made if it is missing. */
  readonly keyPath: string;
  /** @default provider */
  readonly role?: PeerRole | undefined;
  /** @default /ip4/127.0.0.1/tcp/0 */
  readonly listen?: string | undefined;
  /** @default test */
  readonly network?: string | undefined;
  readonly bootstrap?: readonly string[] | undefined;
  readonly mdns?: boolean | undefined;
  readonly kademlia?: boolean | undefined;
  /** Names of the models on its card; without them it has no card. */
  readonly models?: readonly string[] | undefined;
  /** Tells each change of its announced addresses, `addrs <address> …`, as an event, too. @default false */
  readonly tellsAddresses?: boolean | undefined;
}

/**
 * Starts `peer-script.ts` and waits until it runs. Killed with the test.
 * @param on runs it on a host of a separate network. @default this machine
 */
export async function startPeerProcess(
  context: TestContext,
  options: PeerScript,
  on?: { readonly lan: Pick<Lan, 'spawn'>; readonly host: string },
): Promise<PeerProcess> {
  const args = [script, JSON.stringify(options)];
  const child =
    on?.lan.spawn(on.host, process.execPath, args) ??
    spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  context.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  if (child.stdout === null) throw new Error('without its output nothing is known of it');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await raceSignal(lines.next(), AbortSignal.timeout(deadlineMs));
    if (done === true) throw new Error('the process ended');
    return value;
  };
  const { id, address } = JSON.parse(await next()) as { id: string; address: string };
  return {
    child,
    id,
    address,
    event: next,
    async eventLike(pattern) {
      for (;;) {
        const event = await next();
        if (pattern.test(event)) return event;
      }
    },
  };
}
