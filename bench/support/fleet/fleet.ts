import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryHome } from '../../../test/support/home.ts';
import { type NetNode, type NetNodeInit, startNetNode } from '../../../test/support/net-node.ts';

/** Nodes that nobody kills: what `--bootstrap` names. */
const seeds = 2;
/** Processes that start at the same time. */
const batch = 4;

/** A small heap, so that a hundred processes fit into 20 GB, and that memory not collected yet is not taken for growth. */
const heapFlags = ['--max-old-space-size=96', '--max-semi-space-size=2'];

/** Memory and sockets of a process. */
export interface Look {
  readonly residentMiB: number;
  readonly sockets: number;
}

/** Providers with scripted inference on loopback, each a process of its own. */
export interface Fleet {
  /** A folder for files of this run. */
  readonly home: string;
  readonly bootstrap: readonly string[];
  readonly providers: readonly NetNode[];
  readonly seeds: readonly NetNode[];
  /** Kills every second provider with SIGKILL, all at once. @returns their ids, and the others */
  killHalf(): Promise<{ readonly killed: ReadonlySet<string>; readonly left: readonly NetNode[] }>;
}

export async function startFleet(context: TestContext, size: number): Promise<Fleet> {
  const home = await temporaryHome(context);
  const here = {
    spawn: (_host: string, command: string, args: readonly string[]) =>
      spawn(command, [...heapFlags, ...args], { stdio: ['pipe', 'pipe', 'inherit'] }),
  };
  const bootstrap: string[] = [];
  const start = (name: string, init: Pick<NetNodeInit, 'role'>): Promise<NetNode> =>
    startNetNode(context, here, name, {
      keyPath: join(home, name),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      bootstrap: [...bootstrap],
      ...init,
    });
  const seedNodes: NetNode[] = [];
  for (let at = 0; at < seeds; at++) {
    const seed = await start(`seed-${at}`, { role: 'relay' });
    if (seed.address !== undefined) bootstrap.push(seed.address);
    seedNodes.push(seed);
  }
  const providers: NetNode[] = [];
  while (providers.length < size) {
    const names = Array.from({ length: Math.min(batch, size - providers.length) }, (_, at) => providers.length + at);
    providers.push(...(await Promise.all(names.map((at) => start(`provider-${at}`, { role: 'provider' })))));
  }
  return {
    home,
    bootstrap,
    providers,
    seeds: seedNodes,
    async killHalf() {
      const doomed = providers.filter((_, at) => at % 2 === 1);
      const gone = doomed.map(({ child }) => once(child, 'exit'));
      for (const { child } of doomed) child.kill('SIGKILL');
      await Promise.all(gone);
      const left = providers.filter((each) => !doomed.includes(each));
      return { killed: new Set<string>(doomed.map(({ id }) => id)), left };
    },
  };
}

/** What the kernel says of a process (Linux alone). */
export async function lookAt({ child: { pid } }: NetNode): Promise<Look> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  const files = await readdir(`/proc/${pid}/fd`);
  // One may have closed since it was listed.
  const links = await Promise.all(files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => '')));
  return { residentMiB: kib / 1_024, sockets: links.filter((link) => link.startsWith('socket:')).length };
}
