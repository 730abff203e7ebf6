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
import { type Finding, fail, failure, ok, warn } from './finding.ts';
import type { RunningNode } from './reach.ts';

export async function ownProcesses({ home }: Config): Promise<readonly RunEntry[]> {
  const { createRunFiles } = await import('../../node/home/run-files.ts');
  return createRunFiles(home.run).list();
}

/** The home's nodes, each with what it last told of how it is reached. */
export async function runningNodes({ home }: Config, own: readonly RunEntry[]): Promise<readonly RunningNode[]> {
  const { readActivity } = await import('../../node/home/activity.ts');
  return Promise.all(
    own.map(async (entry) => {
      const activity = await readActivity(home.run, entry.role);
      // Of an earlier run, it says nothing about this one.
      return { entry, reach: activity !== null && activity.at >= entry.startedAt ? activity.reach : null };
    }),
  );
}

/** What of this home runs now. */
export function checkProcesses(own: readonly RunEntry[]): Finding {
  const words = own.map(
    ({ role, pid, network }) => `${role === 'provider' ? 'serve' : 'route'} (pid ${pid}, network ${network})`,
  );
  return ok('running', words.length === 0 ? 'neither serve nor route of this home' : words.join(', '));
}

/** Whether serve and route could listen where the configuration says, and the gateway at its port. */
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
    return ok('http port', `${http} is used by this home's own gateway`);
  const code = await tryPort(host, Number(port));
  if (code === null)
    return ok('http port', port === '0' ? `${http}: any free port` : `${http} is free for the gateway`);
  return warn(
    'http port',
    code === 'EADDRINUSE'
      ? `another program listens at ${http}, where the gateway would`
      : `the gateway cannot listen at ${http} (${code})`,
    `choose another for it: --http ${isIPv6(host) ? `[${host}]` : host}:${nextPort(Number(port))}`,
  );
}

function nextPort(port: number): number {
  return port < 65_535 ? port + 1 : 3000;
}

/** The system's reason why a program cannot listen there, or null. */
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
    return warn('port', `${address} is no address that this check knows`, 'use /ip4/<address>/tcp/<port>');
  const [, host = '', port = ''] = match;
  if (port !== '0' && own.some(({ addrs }) => addrs.some((each) => each.includes(`/tcp/${port}/`))))
    return ok('port', `${address} is used by this home's own process`);
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
    return fail('port', 'E_CONFIG', `${address} needs more rights than you have`, 'choose a port above 1023');
  return fail(
    'port',
    'E_CONFIG',
    `cannot listen at ${address} (${code})`,
    'choose an address of this machine, or leave out --listen for all of them',
  );
}

export interface PeerFindings {
  readonly findings: readonly Finding[];
  /** When their cards were issued, by their clocks. */
  readonly issued: readonly number[];
  /** Whether the cards of some count as expired here. */
  readonly expired: boolean;
}

/** Who can be reached. */
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
    return { findings: [whyNobody(config, error)], issued: [], expired };
  }
}

/** Whether somebody is there whose card is of no use here because it has expired, by this machine's clock. */
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

function whyNobody({ settings }: Config, error: unknown): Finding {
  const { code, message } = asQvacError(error);
  if (code !== 'E_NO_PROVIDER' && code !== 'E_NETWORK') return failure('peers', error);
  if (code === 'E_NETWORK' && settings.bootstrap.length > 0) return failure('peers', error);
  const ways = settings.mdns
    ? 'start one (qvac serve), or name one elsewhere (--bootstrap /ip4/…/tcp/…/p2p/…)'
    : 'multicast is off: name a peer with --bootstrap /ip4/…/tcp/…/p2p/…';
  return warn('peers', message, ways);
}

function describePeers({ networkName }: Config, peers: readonly LivePeer[]): Finding {
  const count = (role: 'provider' | 'router'): number => peers.filter(({ card }) => card.role === role).length;
  const models = new Set(
    peers.flatMap(({ card }) =>
      card.role === 'provider' ? card.models.map(({ name, quant }) => `${name}/${quant}`) : [],
    ),
  );
  const found = `network ${networkName}: ${plural(count('provider'), 'provider')}, ${plural(count('router'), 'router')}, ${plural(models.size, 'model')}`;
  return count('provider') === 0
    ? warn('peers', found, 'nobody offers a model: start one with qvac serve')
    : ok('peers', found);
}
