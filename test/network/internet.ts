import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { raceSignal } from '../../src/lib/abort.ts';
import { noNamespaces, startNamespaces } from '../support/netns.ts';

/** How a home router translates addresses: see `internet.c`. */
export type RouterKind = 'port' | 'reject' | 'eim' | 'cone' | 'sym' | 'web';

export interface InternetInit {
  /** Hosts with a public address, `11.77.0.10` and so on in their order. */
  readonly hosts: readonly string[];
  /** Home routers, `11.77.0.100` and so on in their order, with the hosts behind each: `192.168.10.2` and so on. */
  readonly routers?: Readonly<Record<string, { readonly kind: RouterKind; readonly hosts: readonly string[] }>>;
  /** Between any two public addresses. @default 0 */
  readonly roundTripMs?: number | undefined;
}

/** An internet of its own, from which no packet leaves. Removed with the test. */
export interface Internet {
  /** The address of a host or router; of a host behind a router, its private one. */
  ip(name: string): string;
  /** Starts a program on a host. Killed with the test. */
  spawn(
    host: string,
    command: string,
    args: readonly string[],
    stdin?: 'ignore' | 'pipe',
    environment?: NodeJS.ProcessEnv,
  ): ChildProcess;
  /** Changes the kind of a router, which forgets its mappings. */
  setKind(router: string, kind: RouterKind): Promise<void>;
  /** Restarts a router: it forgets its mappings, but no forwarded port. */
  restart(router: string): Promise<void>;
  /** Forwards a TCP port of a router to a host behind it. */
  forward(router: string, port: number, host: string): Promise<void>;
  /** Makes a router answer NAT-PMP. */
  allowPortMapping(router: string): Promise<void>;
  /** Loses every packet of a host or router, or stops losing them. */
  cut(name: string, isCut: boolean): Promise<void>;
  /** Loses `permille` of the packets of a host or router. */
  lose(name: string, permille: number): Promise<void>;
  /** Packets and bytes that a host or router has sent and received. */
  traffic(name: string): Promise<{ readonly packets: number; readonly bytes: number }>;
}

const commandTimeoutMs = 30_000;

/** The compiled emulator; made once per process. */
let program: string | Error | null = null;

function compile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'qvac-internet-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'internet');
  execFileSync('cc', ['-O2', '-o', path, fileURLToPath(new URL('./internet.c', import.meta.url))]);
  return path;
}

/** Why this machine cannot run an `Internet`, or null if it can. For `hasNamespaces`. */
export function noInternet(): string | null {
  if (noNamespaces !== null) return noNamespaces;
  try {
    program ??= compile();
  } catch (error) {
    program = error instanceof Error ? error : new Error(String(error));
  }
  return program instanceof Error ? `the emulated internet cannot be compiled: ${program.message}` : null;
}

interface Place {
  readonly host: string;
  readonly ip: string;
  readonly gateway: string | null;
}

export async function startInternet(
  context: TestContext,
  { hosts, routers = {}, roundTripMs = 0 }: InternetInit,
): Promise<Internet> {
  const missing = noInternet();
  if (missing !== null || typeof program !== 'string') throw new Error(missing ?? 'not compiled');
  const delayUs = Math.round((roundTripMs * 1000) / 4);
  const places: Place[] = hosts.map((host, at) => ({ host, ip: `11.77.${at >> 7}.${10 + (at & 127)}`, gateway: null }));
  const ips = new Map(places.map(({ host, ip }) => [host, ip]));
  const commands = places.map(({ host, ip }) => `host ${host} ${ip} ${delayUs}`);
  for (const [at, [router, { kind, hosts: inside }]] of Object.entries(routers).entries()) {
    const [ip, gateway] = [`11.77.8.${100 + at}`, `192.168.${10 + at}.1`];
    ips.set(router, ip);
    commands.push(`router ${router} ${ip} ${delayUs} ${kind} ${gateway}`);
    for (const [number, host] of inside.entries()) {
      const own = `192.168.${10 + at}.${2 + number}`;
      ips.set(host, own);
      places.push({ host, ip: own, gateway });
      commands.push(`inside ${host} ${own} ${router}`);
    }
  }
  const namespaces = await startNamespaces(
    context,
    places.map(({ host }) => host),
  );
  const obey = commandLine(namespaces.spawn(null, program, [], 'pipe'));
  for (const command of commands) await obey(command);
  namespaces.run(places.flatMap(configure).join('\n'));
  return {
    ip(name) {
      const ip = ips.get(name);
      if (ip === undefined) throw new Error(`this internet has no ${name}`);
      return ip;
    },
    spawn: (host, command, args, stdin, environment) => namespaces.spawn(host, command, args, stdin, environment),
    setKind: async (router, kind) => void (await obey(`kind ${router} ${kind}`)),
    restart: async (router) => void (await obey(`forget ${router}`)),
    forward: async (router, port, host) => void (await obey(`forward ${router} ${port} ${ips.get(host)}`)),
    allowPortMapping: async (router) => void (await obey(`portmap ${router} 1`)),
    cut: async (name, isCut) => void (await obey(`cut ${name} ${isCut ? 1 : 0}`)),
    lose: async (name, permille) => void (await obey(`loss ${name} ${permille}`)),
    async traffic(name) {
      const [packets = 0, bytes = 0] = (await obey(`count ${name}`)).split(' ').map(Number);
      return { packets, bytes };
    },
  };
}

/** Gives the device of a host its address and routes. */
function configure({ host, ip, gateway }: Place): readonly string[] {
  return [
    `ip -n ${host} addr add ${ip}/${gateway === null ? 32 : 24} dev tun0`,
    `ip -n ${host} link set tun0 up`,
    `ip -n ${host} route add default ${gateway === null ? '' : `via ${gateway} `}dev tun0`,
  ];
}

/** Sends one command after another to the emulator, and returns what follows `ok`. */
function commandLine({ stdin, stdout }: ChildProcess): (command: string) => Promise<string> {
  if (stdin === null || stdout === null) throw new Error('the emulator has no pipes');
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  let queue: Promise<unknown> = Promise.resolve();
  const run = async (command: string): Promise<string> => {
    if (!stdin.write(`${command}\n`)) await once(stdin, 'drain');
    const { value } = await raceSignal(lines.next(), AbortSignal.timeout(commandTimeoutMs));
    const answer = String(value);
    if (!answer.startsWith('ok')) throw new Error(`the emulator refuses "${command}": ${answer}`);
    return answer.slice('ok '.length);
  };
  return (command) => {
    const turn = queue.then(() => run(command));
    queue = turn.catch(() => undefined);
    return turn;
  };
}
