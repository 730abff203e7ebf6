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
 * @param missing why the test cannot run, null if it can
 */
export function hasNamespaces(context: TestContext, missing: string | null = noNamespaces): boolean {
  if (missing === null) return true;
  if (process.env.CI === 'true') throw new Error(missing);
  context.skip(missing);
  return false;
}

/** Network namespaces of one test, from which no packet leaves. Removed with the test. */
export interface Namespaces {
  /** Starts a program in the namespace `host`; in the one that holds all others if it is null. Killed with the test. */
  spawn(
    host: string | null,
    command: string,
    args: readonly string[],
    stdin?: 'ignore' | 'pipe',
    environment?: NodeJS.ProcessEnv,
  ): ChildProcess;
  /** Runs a shell script in the namespace that holds all others, and waits for its end. */
  run(script: string): void;
}

/** @param hosts names of the namespaces */
export async function startNamespaces(context: TestContext, hosts: Iterable<string>): Promise<Namespaces> {
  const setUp = ['set -e', 'mount -t tmpfs none /run'];
  for (const host of hosts) setUp.push(`ip netns add ${host}`, `ip -n ${host} link set lo up`);
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
  if (ready === null) throw new Error('the network namespaces could not be made');
  const inside = ['-t', String(holder.pid), '--user', '--net', '--mount', '--preserve-credentials'];
  return {
    spawn(host, command, args, stdin = 'ignore', environment = process.env) {
      const into = host === null ? [] : ['ip', 'netns', 'exec', host];
      const child = spawn('nsenter', [...inside, ...into, command, ...args], {
        stdio: [stdin, 'pipe', 'inherit'],
        env: environment,
      });
      context.after(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      });
      return child;
    },
    run(script) {
      execFileSync('nsenter', [...inside, 'sh', '-ec', script], { stdio: ['ignore', 'ignore', 'inherit'] });
    },
  };
}

/** Hosts on a network of their own. */
export interface Lan {
  /** Starts a program on a host. Killed with the test. */
  spawn(host: string, command: string, args: readonly string[]): ChildProcess;
  /** Pulls the host's plug: its packets are lost from now on, without a notice to its peers. */
  unplug(host: string): void;
}

export interface LanInit {
  /** `IPv6`: the hosts have no IPv4 address, not even on loopback, and are `fd77::1`, `fd77::2` … @default IPv4 */
  readonly family?: 'IPv4' | 'IPv6' | undefined;
  /** Hosts on a second switch, `10.78.0.1` … in their order. Those of `hosts` are on both. @default none */
  readonly second?: readonly string[] | undefined;
}

/** Hosts `10.77.0.1`, `10.77.0.2` … in the order of `hosts`, joined by a switch. Removed with the test. */
export async function startLan(
  context: TestContext,
  hosts: readonly string[],
  { family = 'IPv4', second = [] }: LanInit = {},
): Promise<Lan> {
  const all = new Set([...hosts, ...second]);
  const namespaces = await startNamespaces(context, all);
  const setUp: string[] = [];
  if (family === 'IPv6') for (const host of all) setUp.push(`ip -n ${host} addr del 127.0.0.1/8 dev lo`);
  for (const [network, members] of [hosts, second].entries()) {
    setUp.push(`ip link add switch${network} type bridge`, `ip link set switch${network} up`);
    for (const [at, host] of members.entries()) {
      const [port, card] = [network === 0 ? `port-${host}` : `port${network}-${host}`, `eth${network}`];
      const address = family === 'IPv6' ? `fd7${7 + network}::${at + 1}/64` : `10.7${7 + network}.0.${at + 1}/24`;
      setUp.push(
        `ip link add ${port} type veth peer name ${card} netns ${host}`,
        `ip link set ${port} master switch${network} up`,
        // Usable at once: nobody else could have the address.
        `ip netns exec ${host} sh -c 'echo 0 > /proc/sys/net/ipv6/conf/${card}/accept_dad'`,
        `ip -n ${host} addr add ${address} dev ${card}${family === 'IPv6' ? ' nodad' : ''}`,
        `ip -n ${host} link set ${card} up`,
        // Multicast needs a route like everything else; the first network has the default one.
        `ip -n ${host} ${family === 'IPv6' ? '-6 ' : ''}route add default dev ${card} metric ${network + 1}`,
      );
    }
  }
  namespaces.run(setUp.join('\n'));
  return {
    spawn: (host, command, args) => namespaces.spawn(host, command, args),
    unplug: (host) => namespaces.run(`ip link set port-${host} down`),
  };
}
