import type { Libp2p, Peer } from '@libp2p/interface';

/** With more peers, all notes are dropped and made again. */
const maxPeers = 1024;
/** How long a note is valid, in ms: writing it renews the peer's record, and another writer may have removed it. */
const heldMs = 60_000;

interface Note {
  readonly peer: Peer;
  readonly until: number;
}

/**
 * Makes `node` record at most once a minute that a connected peer supports a protocol. libp2p records it for every
 * stream, on both sides, and reads the peer's whole record under a lock each time.
 * @param now monotonic, in ms
 */
export function noteProtocolsOnce(
  node: Pick<Libp2p, 'peerId' | 'peerStore' | 'addEventListener'>,
  now: () => number = () => performance.now(),
): void {
  const noted = new Map<string, Map<string, Note>>();
  const { peerStore } = node;
  const merge = peerStore.merge.bind(peerStore);
  peerStore.merge = async (id, data, options) => {
    const [protocol, ...others] = data.protocols ?? [];
    // This node's own protocols change, and peers are informed of them.
    if (protocol === undefined || others.length > 0 || Object.keys(data).length > 1 || node.peerId.equals(id))
      return merge(id, data, options);
    const name = id.toString();
    const known = noted.get(name) ?? new Map<string, Note>();
    const before = known.get(protocol);
    if (before !== undefined && now() < before.until) return before.peer;
    const peer = await merge(id, data, options);
    known.set(protocol, { peer, until: now() + heldMs });
    if (noted.size >= maxPeers) noted.clear();
    noted.set(name, known);
    return peer;
  };
  node.addEventListener('peer:disconnect', ({ detail }) => void noted.delete(detail.toString()));
}
