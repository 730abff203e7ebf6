import type { PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { QvacError } from '../../errors.ts';
import { ipOfMultiaddr, kindOfIp } from '../../lib/ip-kind.ts';
import type { PeerIdString } from '../../lib/types.ts';

/** The code of `/p2p` in a multiaddr. */
const p2pCode = 421;

/** Most addresses to keep of one peer. */
export const maxAddrs = 16;

export interface Target {
  readonly peer: PeerId;
  /** Null if the target names the peer alone: its known addresses are dialled. */
  readonly address: Multiaddr | null;
}

/** The code of a bad target by its source: a peer, the configuration, or the command line. */
export type BadTargetCode = 'E_NETWORK' | 'E_CONFIG' | 'E_USAGE';

/** @throws QvacError of `code` */
export function parseAddress(text: string, code: BadTargetCode): Multiaddr {
  try {
    return multiaddr(text);
  } catch (error) {
    throw new QvacError(code, `"${text.slice(0, 200)}" is not a multiaddr`, {
      hint: 'for example /ip4/192.0.2.7/tcp/4001',
      cause: error,
    });
  }
}

/** A direct address that other nodes accept. @throws QvacError of `code` */
export function parseDialable(text: string, code: BadTargetCode): Multiaddr {
  const address = usableDirectAddress(parseAddress(text, code).toString());
  if (address === null)
    throw new QvacError(code, `"${text.slice(0, 200)}" is not an address that others can dial`, {
      hint: 'for example /ip4/192.0.2.7/tcp/4001 or /dns4/node.example/tcp/4001',
    });
  return address;
}

function parsePeer(text: string, code: BadTargetCode): PeerId {
  try {
    return peerIdFromString(text);
  } catch (error) {
    throw new QvacError(code, `"${text.slice(0, 100)}" is not a peer id`, {
      hint: 'a peer id looks like 12D3Koo…, an address like /ip4/192.0.2.7/tcp/4001/p2p/12D3Koo…',
      cause: error,
    });
  }
}

/** A peer id, or a multiaddr with `/p2p/<id>`. @throws QvacError of `code` for anything else */
export function parseTarget(target: string, code: BadTargetCode = 'E_NETWORK'): Target {
  if (!target.startsWith('/')) return { peer: parsePeer(target, code), address: null };
  const address = parseAddress(target, code);
  const peer = address.getComponents().findLast((component) => component.name === 'p2p')?.value;
  if (peer === undefined)
    throw new QvacError(code, `"${target.slice(0, 200)}" does not name a peer`, { hint: 'append /p2p/<peer id>' });
  return { peer: parsePeer(peer, code), address: address.getComponents().length > 1 ? address : null };
}

/** The peer that a target names. @throws QvacError of `code` if it names none */
export function targetPeer(target: string, code: BadTargetCode = 'E_NETWORK'): PeerIdString {
  return parseTarget(target, code).peer.toString() as PeerIdString;
}

/** Whether an address, or the connection that it belongs to, leads through a relay. */
export function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'p2p-circuit');
}

/** The address without the `/p2p` of the peer that it leads to. That of a relay on the way stays. */
export function withoutPeer(address: Multiaddr): string {
  const last = address.getComponents().at(-1)?.name;
  return (last === 'p2p' ? address.decapsulateCode(p2pCode) : address).toString();
}

const reachOrder = ['public', 'private', 'loopback'] as const;

/**
 * At most 16 of a node's own multiaddrs: public ones first, then those through relays and private ones, then loopback.
 * Others keep no more.
 */
export function bestAddresses(addrs: readonly string[]): readonly string[] {
  const rank = (address: string): number => {
    if (address.includes('/p2p-circuit')) return 1;
    const kind = kindOfIp(ipOfMultiaddr(address) ?? '');
    // A host name is meant for others.
    return kind === null ? 0 : reachOrder.indexOf(kind);
  };
  return addrs.toSorted((a, b) => rank(a) - rank(b)).slice(0, maxAddrs);
}

const direct = String.raw`/(ip4|ip6|dns4|dns6|dns)/[^/]+/tcp/[1-9]\d*`;
const usable = new RegExp(`^${direct}(/p2p/[^/]+/p2p-circuit)?(/p2p/[^/]+)?$`);

/**
 * A multiaddr from a peer without its `/p2p`, if this node may dial it: TCP over IP, perhaps through one relay, and not
 * port 0; else null.
 */
export function usableAddress(text: string): Multiaddr | null {
  if (text.length > 300 || !usable.test(text)) return null;
  try {
    return multiaddr(withoutPeer(multiaddr(text)));
  } catch {
    return null;
  }
}

/** `usableAddress` without relays. */
export function usableDirectAddress(text: string): Multiaddr | null {
  const address = usableAddress(text);
  return address === null || isRelayed(address) ? null : address;
}
