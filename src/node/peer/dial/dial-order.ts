import { BlockList, isIPv6 } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import type { Address } from '@libp2p/interface';
import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import { ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';

/** How long the list of this machine's networks is reused, in ms. */
const heldMs = 10_000;

/**
 * Orders the addresses of one peer. libp2p dials them one after another, and waits seconds for each that does not
 * answer: first those on a network of this machine, then public IPv4, public IPv6 (which firewalls drop silently more
 * often), private addresses of other networks, loopback.
 */
export function dialOrder(
  interfaces: () => NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces,
  monotonic: Monotonic = monotonicMs,
): (a: Address, b: Address) => -1 | 0 | 1 {
  let near = new BlockList();
  let until = Number.NEGATIVE_INFINITY;
  return (a, b) => {
    if (monotonic() >= until) {
      near = subnetsOf(interfaces());
      until = monotonic() + heldMs;
    }
    return Math.sign(rankOf(a, near) - rankOf(b, near)) as -1 | 0 | 1;
  };
}

function rankOf({ multiaddr }: Address, near: BlockList): number {
  const ip = ipOfMultiaddr(multiaddr.toString());
  // A host name usually stands for public addresses.
  if (ip === null) return 1;
  const kind = kindOfIp(ip);
  if (kind === 'loopback') return 4;
  if (near.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4')) return 0;
  if (kind === 'private') return 3;
  return isIPv6(ip) ? 2 : 1;
}

function subnetsOf(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>): BlockList {
  const subnets = new BlockList();
  for (const { address, cidr, family } of Object.values(interfaces).flatMap((infos) => infos ?? [])) {
    const [, bits] = /\/(\d+)$/.exec(cidr ?? '') ?? [];
    if (bits !== undefined) subnets.addSubnet(address, Number(bits), family === 'IPv6' ? 'ipv6' : 'ipv4');
  }
  return subnets;
}
