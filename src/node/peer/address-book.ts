import { peerIdFromString } from '@libp2p/peer-id';
import type { Logger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { maxAddrs, usableAddress, withoutPeer } from './addresses.ts';
import type { QvacNode } from './libp2p.ts';

/** The addresses of other peers. */
export class AddressBook {
  readonly #running: () => QvacNode | null;
  readonly #logger: Logger;

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

  /** Multiaddrs without `/p2p`, those of open connections first. */
  async of(peer: PeerIdString): Promise<readonly string[]> {
    const node = this.#running();
    if (node === null) return [];
    const id = peerIdFromString(peer);
    const known = await node.peerStore.get(id).catch(() => null);
    const open = node
      .getConnections(id)
      .filter(({ direction }) => direction === 'outbound')
      .map(({ remoteAddr }) => withoutPeer(remoteAddr));
    return [...new Set([...open, ...(known?.addresses ?? []).map(({ multiaddr }) => withoutPeer(multiaddr))])].slice(
      0,
      maxAddrs,
    );
  }
}
