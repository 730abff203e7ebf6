import { BlockList, isIP } from 'node:net';

/** How far an address reaches: this machine, a private network (also a carrier's NAT), or the internet. */
export type IpKind = 'loopback' | 'private' | 'public';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Networks that are not routed on the internet: RFC 1918, link-local, carrier-grade NAT, documentation and benchmarks.
 */
const ownNetworks = new BlockList();
for (const [net, bits] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
  ['0.0.0.0', 8],
  ['192.0.2.0', 24],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['198.18.0.0', 15],
] as const)
  ownNetworks.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of [
  ['fc00::', 7],
  ['fe80::', 10],
  ['2001:db8::', 32],
] as const)
  ownNetworks.addSubnet(net, bits, 'ipv6');
ownNetworks.addAddress('::', 'ipv6');

/** The kind of an IP address; null for any other text. */
export function kindOfIp(address: string): IpKind | null {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  const version = isIP(plain);
  if (version === 0) return null;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (loopback.check(plain, family)) return 'loopback';
  return ownNetworks.check(plain, family) ? 'private' : 'public';
}

/** What addresses of one customer share: an IPv4 address itself, the first 64 bits of an IPv6 address. */
export function customerOfIp(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail = ''] = address.replace(/%.*$/, '').split('::');
  const [before, after] = [head, tail].map((part) => part.split(':').filter((group) => group !== '')) as [
    string[],
    string[],
  ];
  const zeros = address.includes('::') ? Array.from({ length: 8 - before.length - after.length }, () => '0') : [];
  return [...before, ...zeros, ...after]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

/** The IP address in a multiaddr, `/ip4/…` or `/ip6/…`; null if it starts with neither. */
export function ipOfMultiaddr(multiaddr: string): string | null {
  return /^\/ip[46](?:zone\/[^/]+\/ip6)?\/([^/]+)/.exec(multiaddr)?.[1] ?? null;
}
