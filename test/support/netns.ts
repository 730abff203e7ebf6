import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

/** Why this machine has no network namespaces for tests, or null if it has. */
export const noNamespaces: string | null = (() => {
  try {
    execFileSync(
      'unshare',
      [
        '-rnm',
        'sh',
        '-c',
        'ip link set lo up && mount -t tmpfs none /run && ip netns add probe && ip link add probe0 type veth peer name probe1',
      ],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    return null;
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n', 1)[0] : '';
    return `no network namespace can be made here: ${said !== undefined && said !== '' ? said : String(error).split('\n', 1)[0]}`;
  }
})();

/**
 * True if the test can run. Otherwise it is skipped with the reason, or fails if `CI` is set: there a test that never
 * runs would go unnoticed.
 */
export function hasNamespaces(context: TestContext): boolean {
  if (noNamespaces === null) return true;
  if (process.env.CI === 'true') throw new Error(noNamespaces);
  context.skip(noNamespaces);
  return false;
}

/** Hosts on a network of their own, from which no packet leaves. */
export interface Lan {
  /** Starts a program on a host. Killed with the test. */
  spawn(host: string, command: string, args: readonly string[]): ChildProcess;
  /** Pulls the host's plug: its packets are lost from now on, without a notice to its peers. */
  unplug(host: string): void;
}

/** Hosts `10.77.0.1`, `10.77.0.2` … in the order of `hosts`, joined by a switch. Removed with the test. */
export async function startLan(context: TestContext, hosts: readonly string[]): Promise<Lan> {
  const setUp = ['set -e', 'mount -t tmpfs none /run', 'ip link add switch type bridge', 'ip link set switch up'];
  for (const [at, host] of hosts.entries()) {
    setUp.push(
      `ip netns add ${host}`,
      `ip link add port-${host} type veth peer name eth0 netns ${host}`,
      `ip link set port-${host} master switch up`,
      `ip -n ${host} addr add 10.77.0.${at + 1}/24 dev eth0`,
      `ip -n ${host} link set lo up`,
      `ip -n ${host} link set eth0 up`,
      // Multicast needs a route like everything else.
      `ip -n ${host} route add default dev eth0`,
    );
  }
  // The shell holds the namespaces until its input ends.
  const holder = spawn('unshare', ['-rnm', 'sh', '-c', [...setUp, 'echo ready', 'exec cat'].join('\n')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(holder, 'exit');
  context.after(async () => {
    holder.stdin.end();
    await exited;
  });
  const ready = await Promise.race([once(createInterface({ input: holder.stdout }), 'line'), exited.then(() => null)]);
  if (ready === null) throw new Error('the network could not be set up');
  const inside = ['-t', String(holder.pid), '--user', '--net', '--mount', '--preserve-credentials'];
  return {
    spawn(host, command, args) {
      const child = spawn('nsenter', [...inside, 'ip', 'netns', 'exec', host, command, ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      context.after(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      });
      return child;
    },
    unplug(host) {
      execFileSync('nsenter', [...inside, 'ip', 'link', 'set', `port-${host}`, 'down']);
    },
  };
}
