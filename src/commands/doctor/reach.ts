import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Config } from '../../config.ts';
import { type IpKind, ipOfMultiaddr, kindOfIp } from '../../lib/ip-kind.ts';
import type { Activity } from '../../node/home/activity.ts';
import type { RunEntry } from '../../node/home/run-files.ts';
import { plural } from '../../terminal/format.ts';
import { type Finding, ok, warn } from './finding.ts';

/** A node of this home that runs, with what it last told of itself. */
export interface RunningNode {
  readonly entry: Pick<RunEntry, 'role' | 'peer' | 'addrs'>;
  readonly reach: Activity['reach'] | null;
}

const names = { provider: 'serve', router: 'route' } as const satisfies Record<RunEntry['role'], string>;

/** The IP addresses of this machine, without link-local ones, which no card names. */
function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((each) => (each ?? []).map(({ address }) => address))
    .filter((address) => !/^(169\.254\.|fe[89ab])/i.test(address));
}

/** From where each node that runs, or else one that would, can be reached. */
export function checkReach(
  { settings }: Config,
  running: readonly RunningNode[],
  own: readonly string[] = ownAddresses(),
): readonly Finding[] {
  // A network of one's own is as wide as whoever made it wants it to be.
  const wide = settings.private === null && settings.network !== 'local';
  if (running.length > 0) return running.map((node) => reachOf(node, own, wide));
  // 0.0.0.0 and :: stand for all addresses of their version that the machine has.
  const hosts = settings.listen.flatMap((address) => {
    const ip = ipOfMultiaddr(address);
    if (ip === '0.0.0.0' || ip === '::') return own.filter((each) => isIPv6(each) === (ip === '::'));
    return ip ?? [];
  });
  if (hosts.length === 0)
    return [
      warn(
        'reach',
        'this machine has no address of a network, not even of its own',
        'connect it; ip link set lo up gives it its own',
      ),
    ];
  const told = `a node would listen at ${words(hosts)}`;
  if (farthest(hosts) === 'public')
    return [ok('reach', `${told}; whether a firewall lets others in shows once one runs`)];
  return [
    wide
      ? warn(
          'reach',
          `${told}: others reach it from outside only through a port that a router forwards`,
          forward(settings.listen[0] ?? '', null, null),
        )
      : ok('reach', `${told}; that is enough on this machine and its local network`),
  ];
}

/** Of one node: what it listens at, who came in, and how peers see it. */
function reachOf({ entry, reach }: RunningNode, own: readonly string[], wide: boolean): Finding {
  const { role, peer, addrs } = entry;
  const ips = addrs.flatMap((address) => ipOfMultiaddr(address) ?? []);
  const told = `${names[role]} listens at ${words(ips)}`;
  const { loopback, private: near, public: far } = reach?.dialledIn ?? { loopback: 0, private: 0, public: 0 };
  if (far > 0) return ok('reach', `${told}; ${plural(far, 'connection')} came in from outside`);
  const outside = reach?.observed.find((ip) => kindOfIp(ip) === 'public' && !own.includes(ip)) ?? null;
  if (outside !== null)
    return warn(
      'reach',
      `${told}; peers see this machine at ${outside}, which is none of its own addresses: it is behind a NAT, and nobody has come in from outside yet`,
      forward(addrs[0] ?? '', outside, peer),
    );
  if (farthest(ips) === 'public') return ok('reach', `${told}; nobody has come in from outside yet`);
  const came =
    near > 0
      ? `; ${plural(near, 'connection')} came in from the local network`
      : loopback > 0
        ? `; ${plural(loopback, 'connection')} came in from this machine`
        : '; nobody has come in yet';
  if (farthest(ips) === 'loopback')
    return warn('reach', `${told}${came}: only this machine reaches it`, 'leave out --listen to serve others');
  return wide
    ? warn(
        'reach',
        `${told}${came}: from outside it is reached only through a port that a router forwards`,
        forward(addrs[0] ?? '', null, peer),
      )
    : ok('reach', `${told}${came}`);
}

function farthest(ips: readonly string[]): IpKind {
  const kinds = ips.map(kindOfIp);
  return kinds.includes('public') ? 'public' : kinds.includes('private') ? 'private' : 'loopback';
}

/** `192.168.1.5 (private), 8.8.4.4 (public)`; loopback where there is nothing else. */
function words(ips: readonly string[]): string {
  const all = [...new Set(ips)];
  const wider = all.filter((ip) => kindOfIp(ip) !== 'loopback');
  const unique = wider.length > 0 ? wider : all;
  return unique.length === 0 ? 'no address' : unique.map((ip) => `${ip} (${kindOfIp(ip) ?? 'unknown'})`).join(', ');
}

/** What makes a node behind a NAT reachable. */
function forward(address: string, outside: string | null, peer: string | null): string {
  const port = /\/tcp\/([1-9]\d*)/.exec(address)?.[1] ?? '4001';
  const [version, any] = outside !== null && isIPv6(outside) ? ['ip6', '::'] : ['ip4', '0.0.0.0'];
  return `forward TCP port ${port} to this machine at your router, listen there (--listen /${version}/${any}/tcp/${port}), and name /${version}/${outside ?? '<outside address>'}/tcp/${port}/p2p/${peer ?? '<peer id>'} to others`;
}
