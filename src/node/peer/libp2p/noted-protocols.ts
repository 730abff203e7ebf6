import type { Libp2p, Peer } from '@libp2p/interface';

/** Beyond these all are forgotten, and noted again. */
const maxPeers = 1024;
/**
 * How long a note holds, in ms: libp2p renews the age of a peer's record with it, and another writer may have taken it
 * back.
 */
const heldMs = 60_000;

interface Note {
  readonly peer: Peer;
  readonly until: number;
}

/**
 * Has `node` note once a minute per connected peer and protocol that the peer speaks it. libp2p does so at every
 * stream, on
 * both sides, and reads the peer's whole record under a lock for it.
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
    // What this node itself speaks comes and goes, and others are told of it.
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
