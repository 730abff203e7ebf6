import type { PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import type { Logger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { maxAddrs, usableAddress, withoutPeer } from './addresses.ts';
import type { QvacNode } from './libp2p.ts';

/** Peers of the local network whose addresses are kept. */
const maxLocalPeers = 256;

/** The addresses of other peers. */
export class AddressBook {
  readonly #running: () => QvacNode | null;
  readonly #logger: Logger;
  /** Addresses heard by multicast. A peer announces them nowhere else, and what it announces replaces the others. */
  readonly #local = new Map<string, readonly string[]>();

  /** @param running the node while it is started */
  constructor(running: () => QvacNode | null, logger: Logger) {
    this.#running = running;
    this.#logger = logger;
  }

  /** Keeps multiaddrs of `peer`, without malformed and unusable ones. Never throws. */
  async learn(peer: PeerIdString, addrs: readonly string[]): Promise<void> {
    const node = this.#running();
    const usable = addrs.map(usableAddress).filter((address) => address !== null);
    if (usable.length === 0 || node === null) return;
    const id = peerIdFromString(peer);
    if (node.peerId.equals(id)) return;
    await node.peerStore.merge(id, { multiaddrs: usable.slice(0, maxAddrs) }).catch((error: unknown) => {
      this.#logger.debug('addresses not kept', { peer, error: String(error) });
    });
  }

  /** Keeps addresses of a peer on the local network, the newest first. */
  learnLocal(peer: PeerIdString, addrs: readonly string[]): void {
    const known = this.#local.get(peer) ?? [];
    this.#local.delete(peer);
    this.#local.set(peer, [...new Set([...addrs, ...known])].slice(0, maxAddrs));
    const [oldest] = this.#local.keys();
    if (this.#local.size > maxLocalPeers && oldest !== undefined) this.#local.delete(oldest);
  }

  /** Multiaddrs without `/p2p`, those of open connections first. */
  async of(peer: PeerIdString): Promise<readonly string[]> {
    const node = this.#running();
    if (node === null) return [];
    const id = peerIdFromString(peer);
    const open = node
      .getConnections(id)
      .filter(({ direction }) => direction === 'outbound')
      .map(({ remoteAddr }) => withoutPeer(remoteAddr));
    const known = (await this.toDial(id)).map(withoutPeer);
    return [...new Set([...open, ...known])].slice(0, maxAddrs);
  }

  /** The known addresses of a peer, those of the local network first. */
  async toDial(id: PeerId): Promise<readonly Multiaddr[]> {
    const known = await this.#running()
      ?.peerStore.get(id)
      .catch(() => null);
    const local = this.#local.get(id.toString()) ?? [];
    const stored = (known?.addresses ?? []).map(({ multiaddr: address }) => withoutPeer(address));
    return [...new Set([...local, ...stored])].slice(0, 2 * maxAddrs).map((address) => multiaddr(address));
  }
}
