import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Config } from '../../config.ts';
import { asQvacError } from '../../errors.ts';
import { systemClock } from '../../lib/clock.ts';
import { systemCode } from '../../lib/files.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { LivePeer } from '../../node/discovery.ts';
import type { RunEntry } from '../../node/home/run-files.ts';
import { plural, timeSpan } from '../../terminal/format.ts';
import { fail, failure, ok, warn, type Finding } from './finding.ts';

/** How far a clock may be off until offers are refused, in ms (protocol section 4). */
const mostSkewMs = 60_000;

export async function ownProcesses({ home }: Config): Promise<readonly RunEntry[]> {
  const { createRunFiles } = await import('../../node/home/run-files.ts');
  return createRunFiles(home.run).list();
}

/** What of this home runs now. */
export function checkProcesses(own: readonly RunEntry[]): Finding {
  const words = own.map(({ role, pid, network }) => `${role === 'provider' ? 'serve' : 'route'} (pid ${pid}, network ${network})`);
  return ok('running', words.length === 0 ? 'neither serve nor route of this home' : words.join(', '));
}

/** Whether serve and route could listen where the configuration says. */
export async function checkPorts({ settings }: Config, own: readonly RunEntry[]): Promise<readonly Finding[]> {
  return Promise.all(settings.listen.map((address) => checkPort(address, own)));
}

async function checkPort(address: string, own: readonly RunEntry[]): Promise<Finding> {
  const match = /^\/ip[46]\/([^/]+)\/tcp\/(\d+)$/.exec(address);
  if (match === null) return warn('port', `${address} is no address that this check knows`, 'use /ip4/<address>/tcp/<port>');
  const [, host = '', port = ''] = match;
  if (port !== '0' && own.some(({ addrs }) => addrs.some((each) => each.includes(`/tcp/${port}/`)))) return ok('port', `${address} is used by this home's own process`);
  const server = createServer();
  try {
    server.listen(Number(port), host);
    await once(server, 'listening');
    return ok('port', port === '0' ? `${address}: any free port` : `${address} is free`);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EADDRINUSE') return fail('port', 'E_PORT_IN_USE', `another program listens at ${address}`, 'stop it, or choose another port: --listen /ip4/0.0.0.0/tcp/0');
    if (code === 'EACCES') return fail('port', 'E_CONFIG', `${address} needs more rights than you have`, 'choose a port above 1023');
    return fail('port', 'E_CONFIG', `cannot listen at ${address} (${code ?? 'unknown'})`, 'choose an address of this machine: --listen /ip4/0.0.0.0/tcp/0');
  } finally {
    server.close();
  }
}

/** Who can be reached, and whether their clocks agree with this one. */
export async function checkPeers(config: Config, logger: Logger, { signal }: AbortOptions): Promise<readonly Finding[]> {
  const [{ join }, { identityFromSeed }] = await Promise.all([import('../../node/join.ts'), import('../../node/home/identity.ts')]);
  try {
    const joined = await join({ config, clock: systemClock, logger }, { role: 'client', key: await identityFromSeed(randomBytes(32)) });
    try {
      const peers = await joined.discovery.find({}, { signal, enough: () => false });
      return [describePeers(config, peers), ...checkClock(peers, Date.now())];
    } finally {
      await joined.stop();
    }
  } catch (error) {
    signal?.throwIfAborted();
    const { code, message } = asQvacError(error);
    if (code !== 'E_NO_PROVIDER' && code !== 'E_NETWORK') return [failure('peers', error)];
    if (code === 'E_NETWORK' && config.settings.bootstrap.length > 0) return [failure('peers', error)];
    const ways = config.settings.mdns ? 'start one (qvac serve), or name one elsewhere (--bootstrap /ip4/…/tcp/…/p2p/…)' : 'multicast is off: name a peer with --bootstrap /ip4/…/tcp/…/p2p/…';
    return [warn('peers', message, ways)];
  }
}

function describePeers({ networkName }: Config, peers: readonly LivePeer[]): Finding {
  const count = (role: 'provider' | 'router'): number => peers.filter(({ card }) => card.role === role).length;
  const models = new Set(peers.flatMap(({ card }) => (card.role === 'provider' ? card.models.map(({ name, quant }) => `${name}/${quant}`) : [])));
  const found = `network ${networkName}: ${plural(count('provider'), 'provider')}, ${plural(count('router'), 'router')}, ${plural(models.size, 'model')}`;
  return count('provider') === 0 ? warn('peers', found, 'nobody offers a model: start one with qvac serve') : ok('peers', found);
}

/** A card from the future is a sign that one of two clocks is wrong. */
function checkClock(peers: readonly LivePeer[], now: number): readonly Finding[] {
  const skews = peers.map(({ card }) => card.issuedAt - now).sort((a, b) => a - b);
  const middle = skews[Math.floor(skews.length / 2)];
  if (middle === undefined) return [];
  if (middle <= mostSkewMs) return [ok('clock', 'not behind that of others')];
  return [warn('clock', `this clock is about ${timeSpan(middle)} behind that of others`, 'set it: your offers and cards count as expired or too early')];
}

