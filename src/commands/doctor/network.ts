import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, isIPv6 } from 'node:net';
import type { Config } from '../../config.ts';
import { asQvacError } from '../../errors.ts';
import { systemClock } from '../../lib/clock.ts';
import { systemCode } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { LivePeer } from '../../node/discovery/discovery.ts';
import type { RunEntry } from '../../node/home/run-files.ts';
import type { Joined } from '../../node/join.ts';
import { plural } from '../../terminal/format.ts';
import { commandOf } from '../parts/reach-words.ts';
import { type Finding, fail, failure, ok, warn } from './finding.ts';
import type { RunningNode } from './reach.ts';

export async function ownProcesses({ home }: Config): Promise<readonly RunEntry[]> {
  const { createRunFiles } = await import('../../node/home/run-files.ts');
  return createRunFiles(home.run).list();
}

/** The running nodes of the home, each with its last report on reachability. */
export async function runningNodes({ home }: Config, own: readonly RunEntry[]): Promise<readonly RunningNode[]> {
  const { readActivity } = await import('../../node/home/activity.ts');
  return Promise.all(
    own.map(async (entry) => {
      const activity = await readActivity(home.run, entry.role);
      // A report of an earlier run says nothing about this one.
      return { entry, reach: activity !== null && activity.at >= entry.startedAt ? activity.reach : null };
    }),
  );
}

/** The nodes of this home that run now. */
export function checkProcesses(own: readonly RunEntry[]): Finding {
  const words = own.map(({ role, pid, network }) => `${commandOf[role]} (pid ${pid}, network ${network})`);
  return ok('running', words.length === 0 ? 'no serve, route or relay of this home' : words.join(', '));
}

/** Checks that serve and route can listen at the configured addresses, and the gateway at its port. */
export async function checkPorts({ settings, home }: Config, own: readonly RunEntry[]): Promise<readonly Finding[]> {
  return Promise.all([
    ...settings.listen.map((address) => checkPort(address, own)),
    checkGatewayPort(settings.http ?? '127.0.0.1:3000', home.run),
  ]);
}

async function checkGatewayPort(http: string, run: string): Promise<Finding> {
  const [, host = '127.0.0.1', port = ''] = /^(?:\[?([^\]]*?)\]?:)?(\d+)$/.exec(http) ?? [];
  const { readGatewayRun } = await import('../../gateway/run-file.ts');
  const gateway = await readGatewayRun(run);
  if (gateway?.running === true && new URL(gateway.url).port === port)
    return ok('http port', `${http} is in use by this home's gateway`);
  const code = await tryPort(host, Number(port));
  if (code === null)
    return ok('http port', port === '0' ? `${http}: any free port` : `${http} is free for the gateway`);
  return warn(
    'http port',
    code === 'EADDRINUSE'
      ? `another program listens at ${http}, the address of the gateway`
      : `the gateway cannot listen at ${http} (${code})`,
    `choose another port: --http ${isIPv6(host) ? `[${host}]` : host}:${nextPort(Number(port))}`,
  );
}

function nextPort(port: number): number {
  return port < 65_535 ? port + 1 : 3000;
}

/** The system error code if a program cannot listen there, else null. */
async function tryPort(host: string, port: number): Promise<string | null> {
  const server = createServer();
  try {
    // As libp2p does: an IPv6 address takes no IPv4 port.
    server.listen({ port, host, ipv6Only: isIPv6(host) });
    await once(server, 'listening');
    return null;
  } catch (error) {
    return systemCode(error) ?? 'unknown';
  } finally {
    server.close();
  }
}

async function checkPort(address: string, own: readonly RunEntry[]): Promise<Finding> {
  const match = /^\/ip[46]\/([^/]+)\/tcp\/(\d+)$/.exec(address);
  if (match === null)
    return warn('port', `cannot check ${address}: not a TCP address`, 'use /ip4/<address>/tcp/<port>');
  const [, host = '', port = ''] = match;
  if (port !== '0' && own.some(({ addrs }) => addrs.some((each) => each.includes(`/tcp/${port}/`))))
    return ok('port', `${address} is in use by this home's own process`);
  const code = await tryPort(host, Number(port));
  if (code === null) return ok('port', port === '0' ? `${address}: any free port` : `${address} is free`);
  if (host === '::' && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL'))
    return ok('port', `${address}: this machine has no IPv6, so a node listens at its IPv4 addresses alone`);
  if (code === 'EADDRINUSE')
    return fail(
      'port',
      'E_PORT_IN_USE',
      `another program listens at ${address}`,
      'stop it, choose another port, or leave out --listen for any free one',
    );
  if (code === 'EACCES')
    return fail('port', 'E_CONFIG', `no permission to listen at ${address}`, 'choose a port above 1023');
  return fail(
    'port',
    'E_CONFIG',
    `cannot listen at ${address} (${code})`,
    'choose an address of this machine, or leave out --listen for all of them',
  );
}

export interface PeerFindings {
  readonly findings: readonly Finding[];
  /** Issue times of their cards, by their clocks. */
  readonly issued: readonly number[];
  /** Whether some card has expired by this clock. */
  readonly expired: boolean;
}

/** Checks which peers can be reached. */
export async function checkPeers(config: Config, logger: Logger, { signal }: AbortOptions): Promise<PeerFindings> {
  const [{ join }, { identityFromSeed }] = await Promise.all([
    import('../../node/join.ts'),
    import('../../node/home/identity.ts'),
  ]);
  let expired = false;
  try {
    const joined = await join(
      { config, clock: systemClock, logger },
      { role: 'client', key: await identityFromSeed(randomBytes(32)) },
    );
    try {
      const peers = await joined.discovery.find({}, { signal, enough: () => false });
      return { findings: [describePeers(config, peers)], issued: peers.map(({ card }) => card.issuedAt), expired };
    } catch (error) {
      expired = await hasExpiredCards(joined, signal);
      throw error;
    } finally {
      await joined.stop();
    }
  } catch (error) {
    signal?.throwIfAborted();
    return { findings: [whyNoPeers(config, error)], issued: [], expired };
  }
}

/** Whether the card of some connected peer has expired by this clock. */
async function hasExpiredCards({ peer, discovery }: Joined, signal: AbortSignal | undefined): Promise<boolean> {
  const reasons = peer
    .connected()
    .slice(0, 4)
    .map((each) =>
      discovery.get(each, { signal }).then(
        () => '',
        (error: unknown) => asQvacError(error).message,
      ),
    );
  return (await Promise.all(reasons)).some((reason) => reason.includes('has expired'));
}

function whyNoPeers({ settings }: Config, error: unknown): Finding {
  const { code, message } = asQvacError(error);
  if (code !== 'E_NO_PROVIDER' && code !== 'E_NETWORK') return failure('peers', error);
  if (code === 'E_NETWORK' && settings.bootstrap.length > 0) return failure('peers', error);
  const ways = settings.mdns
    ? 'start a provider (qvac serve), or pass the address of a peer (--bootstrap /ip4/…/tcp/…/p2p/…)'
    : 'multicast is off: pass the address of a peer with --bootstrap /ip4/…/tcp/…/p2p/…';
  return warn('peers', message, ways);
}

function describePeers({ networkName }: Config, peers: readonly LivePeer[]): Finding {
  const count = (role: 'provider' | 'router' | 'relay'): number =>
    peers.filter(({ card }) => card.role === role).length;
  const models = new Set(
    peers.flatMap(({ card }) =>
      card.role === 'provider' ? card.models.map(({ name, quant }) => `${name}/${quant}`) : [],
    ),
  );
  const counts = [
    plural(count('provider'), 'provider'),
    plural(count('router'), 'router'),
    plural(count('relay'), 'relay'),
    plural(models.size, 'model'),
  ];
  const found = `network ${networkName}: ${counts.join(', ')}`;
  return count('provider') === 0 ? warn('peers', found, 'start a provider with qvac serve') : ok('peers', found);
}
