import { createSocket, type RemoteInfo } from 'node:dgram';
import { BlockList, isIPv6 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';
import createMdns from 'multicast-dns';
import { toError } from '../../../errors.ts';
import type { Answer, Packet } from './records.ts';

/** One address family of one network interface. */
export interface LinkPlace {
  /** Like `eth0 IPv4`. */
  readonly name: string;
  readonly family: 'IPv4' | 'IPv6';
  /** The interface, as its family's sockets name it: `192.168.1.5`, `::%eth0`. */
  readonly at: string;
  /** All of the interface's, of both families: a node that is found over one may listen at the other alone. */
  readonly addresses: readonly string[];
  /** Holds what is sent from this link. */
  readonly subnets: BlockList;
}

export interface LinkEvents {
  onQuery(query: Packet): void;
  onResponse(response: Packet): void;
  /** The link is of no use any more. */
  onError(error: Error): void;
}

/** A machine that runs containers has an interface for each. */
const maxLinks = 32;
const port = 5353;
const groups = { IPv4: '224.0.0.251', IPv6: 'ff02::fb' } as const;
const types = { IPv4: 'udp4', IPv6: 'udp6' } as const;
const anyAddress = { IPv4: '0.0.0.0', IPv6: '::' } as const;

/** The links of this machine, IPv4 first, at most 32. */
export function linkPlaces(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>): readonly LinkPlace[] {
  return (['IPv4', 'IPv6'] as const)
    .flatMap((family) => Object.entries(interfaces).flatMap(([name, infos = []]) => placeOf(name, family, infos) ?? []))
    .slice(0, maxLinks);
}

function placeOf(name: string, family: LinkPlace['family'], all: readonly NetworkInterfaceInfo[]): LinkPlace | null {
  const infos = all.filter((info) => info.family === family);
  const [first] = infos;
  if (first === undefined) return null;
  const subnets = new BlockList();
  for (const { address, cidr } of infos) {
    const [, bits] = /\/(\d+)$/.exec(cidr ?? '') ?? [];
    if (bits === undefined) subnets.addAddress(address, familyOf(family));
    else subnets.addSubnet(address, Number(bits), familyOf(family));
  }
  const at = first.family === 'IPv4' ? first.address : `::%${scopeOf(name, first.scopeid)}`;
  return { name: `${name} ${family}`, family, at, addresses: all.map(({ address }) => address), subnets };
}

function familyOf(family: LinkPlace['family']): 'ipv4' | 'ipv6' {
  return family === 'IPv4' ? 'ipv4' : 'ipv6';
}

/** Windows numbers the interfaces in an IPv6 scope; other systems name them. */
function scopeOf(name: string, scopeId: number | undefined): string {
  return process.platform === 'win32' ? String(scopeId ?? 0) : name;
}

/**
 * Whether a packet from `address` came over this link: the sockets of all links receive it. RFC 6762 section 11 has
 * others ignored.
 */
export function isFrom({ family, at, subnets }: LinkPlace, address: string): boolean {
  const [host = '', scope] = address.split('%');
  if (isIPv6(host) !== (family === 'IPv6')) return false;
  return scope === undefined ? subnets.check(host, familyOf(family)) : at.endsWith(`%${scope}`);
}

/** Multicast DNS on one link. */
export class Link {
  readonly place: LinkPlace;
  readonly #mdns: ReturnType<typeof createMdns>;

  constructor(place: LinkPlace, events: LinkEvents) {
    const { family, at } = place;
    this.place = place;
    this.#mdns = createMdns({
      type: types[family],
      ip: groups[family],
      interface: at,
      // To the group's packets; those of one address would not include them.
      bind: anyAddress[family],
      port,
      // The IPv6 socket leaves IPv4 to the others.
      socket: createSocket({ type: types[family], reuseAddr: true, ipv6Only: family === 'IPv6' }),
    });
    const heard = (handle: (packet: Packet) => void) => (packet: Packet, from: RemoteInfo) => {
      // A throw in this listener would end the process.
      try {
        if (isFrom(place, from.address)) handle(packet);
      } catch (error) {
        events.onError(toError(error));
      }
    };
    this.#mdns.on('query', heard(events.onQuery));
    this.#mdns.on('response', heard(events.onResponse));
    this.#mdns.on('error', events.onError);
  }

  ask(service: string): void {
    this.#mdns.query({ questions: [{ name: service, type: 'PTR' }] });
  }

  answer(answers: Answer[]): void {
    this.#mdns.respond({ answers });
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#mdns.destroy(resolve));
  }
}
