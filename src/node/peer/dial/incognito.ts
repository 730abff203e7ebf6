import type { Connection, PeerId } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { QvacError } from '../../../errors.ts';
import { ipOfMultiaddr } from '../../../lib/ip-kind.ts';
import { shortPeer } from '../../../lib/names.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import { cardProtocol } from '../../../protocol/constants.ts';
import { isRelayed } from '../addresses.ts';

/** Relays on the way to providers that an incognito node remembers. */
const maxRelays = 256;

/**
 * Whom an incognito node dials: providers through relays, and directly no peers but these relays and those of the
 * configuration. libp2p's hash table would dial every node that an answer mentions, among them those of providers.
 */
export class IncognitoDials {
  readonly #named: ReadonlySet<PeerIdString>;
  readonly #relays = new Set<PeerIdString>();

  constructor(named: ReadonlySet<PeerIdString>) {
    this.#named = named;
  }

  /** As `hiddenAddresses`; their relays may be dialled from now on. @throws as `hiddenAddresses` */
  choose(peer: PeerId, addresses: readonly Multiaddr[]): readonly Multiaddr[] {
    const chosen = hiddenAddresses(peer, addresses, this.#named);
    for (const address of chosen) if (isRelayed(address)) this.#add(relayOf(address));
    return chosen;
  }

  /** Whether libp2p may dial `peer` directly. */
  allows(peer: PeerId): boolean {
    const id = peer.toString() as PeerIdString;
    return this.#named.has(id) || this.#relays.has(id);
  }

  /**
   * Why no stream of `protocol` may be opened on `connection`: a node of the configuration that has seen this address
   * gets no question. Null if one may.
   */
  refusal({ remotePeer, remoteAddr }: Connection, protocol: string): QvacError | null {
    if (protocol === cardProtocol || isRelayed(remoteAddr)) return null;
    const name = shortPeer(remotePeer.toString() as PeerIdString);
    return new QvacError('E_NETWORK', `${name} is connected directly and would learn who asks`, {
      hint: 'leave it out of --bootstrap, or ask without --incognito',
    });
  }

  #add(relay: PeerIdString): void {
    this.#relays.delete(relay);
    this.#relays.add(relay);
    const [oldest] = this.#relays;
    if (this.#relays.size > maxRelays && oldest !== undefined) this.#relays.delete(oldest);
  }
}

/**
 * The addresses at which a node reaches a peer without showing it its own: those through relays of somebody else, or
 * through relays that the person named alone, if there are any. Who runs a relay cannot be proved: a relay at an IP
 * address of the peer counts as the peer's own.
 * @param named peers of the configuration, which are dialled directly
 * @throws QvacError E_NETWORK if there is none
 */
export function hiddenAddresses(
  peer: PeerId,
  addresses: readonly Multiaddr[],
  named: ReadonlySet<PeerIdString>,
): readonly Multiaddr[] {
  const id = peer.toString() as PeerIdString;
  if (named.has(id)) return addresses;
  const own = new Set(addresses.filter((address) => !isRelayed(address)).map(placeOf));
  const others = addresses.filter(
    (address) => isRelayed(address) && relayOf(address) !== id && !own.has(placeOf(address)),
  );
  const ofNamed = others.filter((address) => named.has(relayOf(address)));
  const usable = ofNamed.length > 0 ? ofNamed : others;
  if (usable.length === 0)
    throw new QvacError('E_NETWORK', `${shortPeer(id)} is not reached through a relay of somebody else`, {
      hint: 'ask without --incognito, or name another provider: qvac peers',
    });
  return usable;
}

function placeOf(address: Multiaddr): string {
  return ipOfMultiaddr(address.toString()) ?? address.getComponents()[0]?.value ?? '';
}

function relayOf(address: Multiaddr): PeerIdString {
  return (address.getComponents().find(({ name }) => name === 'p2p')?.value ?? '') as PeerIdString;
}
