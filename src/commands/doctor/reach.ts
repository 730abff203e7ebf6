import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Config } from '../../config.ts';
import { systemClock } from '../../lib/clock.ts';
import { type IpKind, ipOfMultiaddr, kindOfIp } from '../../lib/ip-kind.ts';
import type { Activity } from '../../node/home/activity.ts';
import type { RunEntry } from '../../node/home/run-files.ts';
import { plural } from '../../terminal/format.ts';
import { commandOf, reachWords } from '../parts/reach-words.ts';
import { type Finding, ok, warn } from './finding.ts';

/** A running node of this home with its last report on reachability. */
export interface RunningNode {
  readonly entry: Pick<RunEntry, 'role' | 'peer' | 'addrs'>;
  readonly reach: Activity['reach'] | null;
}

/** The IP addresses of this machine, without link-local ones, which no card names. */
function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((each) => (each ?? []).map(({ address }) => address))
    .filter((address) => !/^(169\.254\.|fe[89ab])/i.test(address));
}

/** Checks from where each running node, or else a future one, can be reached. */
export function checkReach(
  { settings }: Config,
  running: readonly RunningNode[],
  own: readonly string[] = ownAddresses(),
  now = systemClock.now(),
): readonly Finding[] {
  // A private network may well be local.
  const wide = settings.private === null && settings.network !== 'local';
  if (running.length > 0) return running.map((node) => reachOf(node, { own, wide, now }));
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
        'this machine has no network address, not even loopback',
        'connect it to a network; ip link set lo up enables loopback',
      ),
    ];
  const listens = `a node would listen at ${words(hosts)}`;
  if (farthest(hosts) === 'public')
    return [ok('reach', `${listens}; a running node shows whether a firewall blocks it`)];
  return [
    wide
      ? warn(
          'reach',
          `${listens}: peers outside this network reach it only through a forwarded port`,
          forward(settings.listen[0] ?? '', null, null),
        )
      : ok('reach', `${listens}; that is enough on this machine and its local network`),
  ];
}

interface Circumstances {
  /** IP addresses of this machine. */
  readonly own: readonly string[];
  /** Whether the network reaches beyond the local one. */
  readonly wide: boolean;
  /** Unix ms. */
  readonly now: number;
}

/** One node: who dialled it back; else its addresses, its inbound connections, and its address as peers see it. */
function reachOf({ entry, reach }: RunningNode, { own, wide, now }: Circumstances): Finding {
  const { role, peer, addrs } = entry;
  if (reach?.way === 'direct' || reach?.way === 'relayed')
    return ok('reach', `${commandOf[role]} is reached ${reachWords(reach, now)}`);
  if (reach?.way === 'none')
    return warn(
      'reach',
      `${commandOf[role]} is reached ${reachWords(reach, now)}`,
      `${forward(addrs[0] ?? '', ipOfMultiaddr(reach.failed[0]?.address ?? ''), peer)}; or ${nameRelay}`,
    );
  const ips = addrs.flatMap((address) => ipOfMultiaddr(address) ?? []);
  const listens = `${commandOf[role]} listens at ${words(ips)}`;
  const { loopback, private: near, public: far } = reach?.dialledIn ?? { loopback: 0, private: 0, public: 0 };
  if (far > 0) return ok('reach', `${listens}; ${plural(far, 'inbound connection')} from outside`);
  const outside = reach?.observed.find((ip) => kindOfIp(ip) === 'public' && !own.includes(ip)) ?? null;
  if (outside !== null)
    return warn(
      'reach',
      `${listens}; peers see ${outside}, so this machine is behind a NAT; no inbound connection from outside yet`,
      forward(addrs[0] ?? '', outside, peer),
    );
  if (farthest(ips) === 'public') return ok('reach', `${listens}; no inbound connection from outside yet`);
  const inbound =
    near > 0
      ? `; ${plural(near, 'inbound connection')} from the local network`
      : loopback > 0
        ? `; ${plural(loopback, 'inbound connection')} from this machine`
        : '; no inbound connection yet';
  if (farthest(ips) === 'loopback')
    return warn('reach', `${listens}${inbound}: only this machine reaches it`, 'leave out --listen to serve others');
  return wide
    ? warn(
        'reach',
        `${listens}${inbound}: peers outside this network reach it only through a forwarded port`,
        forward(addrs[0] ?? '', null, peer),
      )
    : ok('reach', `${listens}${inbound}`);
}

function farthest(ips: readonly string[]): IpKind {
  const kinds = ips.map(kindOfIp);
  return kinds.includes('public') ? 'public' : kinds.includes('private') ? 'private' : 'loopback';
}

/** `192.168.1.5 (private), 8.8.4.4 (public)`; loopback addresses only if there is no other. */
function words(ips: readonly string[]): string {
  const all = [...new Set(ips)];
  const wider = all.filter((ip) => kindOfIp(ip) !== 'loopback');
  const unique = wider.length > 0 ? wider : all;
  return unique.length === 0 ? 'no address' : unique.map((ip) => `${ip} (${kindOfIp(ip) ?? 'unknown'})`).join(', ');
}

/** The other way, without access to the router. */
const nameRelay =
  'name a relay with --bootstrap /ip4/…/tcp/4001/p2p/12D3KooW…, which qvac relay prints on a machine that others reach';

/** How to make a node behind a NAT reachable. */
function forward(address: string, outside: string | null, peer: string | null): string {
  const port = /\/tcp\/([1-9]\d*)/.exec(address)?.[1] ?? '4001';
  const [version, any] = outside !== null && isIPv6(outside) ? ['ip6', '::'] : ['ip4', '0.0.0.0'];
  const told = `/${version}/${outside ?? '<outside address>'}/tcp/${port}/p2p/${peer ?? '<peer id>'}`;
  return [
    `forward TCP port ${port} of your network's router to this machine, pass --listen /${version}/${any}/tcp/${port},`,
    `and share the address ${told}`,
  ].join(' ');
}
