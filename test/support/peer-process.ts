import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('./peer-script.ts', import.meta.url));

/** A node in a process of its own, to be killed or stopped. */
export interface PeerProcess {
  readonly child: ChildProcess;
  readonly id: string;
  readonly address: string;
}

export interface PeerScript {
  /** Key file, made where there is none. */
  readonly keyPath: string;
  readonly listen?: string | undefined;
  readonly network?: string | undefined;
  readonly bootstrap?: readonly string[] | undefined;
  readonly mdns?: boolean | undefined;
  readonly kademlia?: boolean | undefined;
  /** Names of the models on its card. */
  readonly models?: readonly string[] | undefined;
}

/** Starts `peer-script.ts` and waits until it listens. Killed with the test. */
export async function startPeerProcess(context: TestContext, options: PeerScript): Promise<PeerProcess> {
  const child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
  context.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const { id, address } = JSON.parse(line) as { id: string; address: string };
  return { child, id, address };
}
