import { BlockList, isIPv6 } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import type { Address } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import { ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';
import { isRelayed } from '../addresses.ts';

/** How long the list of this machine's networks is reused, in ms. */
const heldMs = 10_000;

/**
 * Where an address leads from this machine, in the order of dialling: a network of this machine, public IPv4 or a host
 * name, public IPv6 (which firewalls drop silently more often), a private network elsewhere, loopback, a relay.
 */
export const ranks = { near: 0, public: 1, publicIp6: 2, elsewhere: 3, loopback: 4, relayed: 5 } as const;
export type Rank = (typeof ranks)[keyof typeof ranks];

/** Ranks addresses by the networks that this machine is on now. */
export class DialRanks {
  readonly #interfaces: () => NodeJS.Dict<NetworkInterfaceInfo[]>;
  readonly #monotonic: Monotonic;
  #near = new BlockList();
  #until = Number.NEGATIVE_INFINITY;

  constructor(
    interfaces: () => NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces,
    monotonic: Monotonic = monotonicMs,
  ) {
    this.#interfaces = interfaces;
    this.#monotonic = monotonic;
  }

  of(address: Multiaddr): Rank {
    if (isRelayed(address)) return ranks.relayed;
    const ip = ipOfMultiaddr(address.toString());
    // A host name usually stands for public addresses.
    if (ip === null) return ranks.public;
    const kind = kindOfIp(ip);
    if (kind === 'loopback') return ranks.loopback;
    if (this.#nearby().check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4')) return ranks.near;
    if (kind === 'private') return ranks.elsewhere;
    return isIPv6(ip) ? ranks.publicIp6 : ranks.public;
  }

  #nearby(): BlockList {
    if (this.#monotonic() >= this.#until) {
      this.#near = subnetsOf(this.#interfaces());
      this.#until = this.#monotonic() + heldMs;
    }
    return this.#near;
  }
}

/** Orders the addresses of one peer for libp2p's own dials, which try one after another. */
export function dialOrder(dialRanks = new DialRanks()): (a: Address, b: Address) => -1 | 0 | 1 {
  return (a, b) => Math.sign(dialRanks.of(a.multiaddr) - dialRanks.of(b.multiaddr)) as -1 | 0 | 1;
}

function subnetsOf(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>): BlockList {
  const subnets = new BlockList();
  for (const { address, cidr, family } of Object.values(interfaces).flatMap((infos) => infos ?? [])) {
    const [, bits] = /\/(\d+)$/.exec(cidr ?? '') ?? [];
    if (bits !== undefined) subnets.addSubnet(address, Number(bits), family === 'IPv6' ? 'ipv6' : 'ipv4');
  }
  return subnets;
}
