import type { Libp2p, Peer } from '@libp2p/interface';

/** Beyond these all are forgotten, and noted again. */
const mostPeers = 1024;

/**
 * Has `node` note once per connected peer and protocol that the peer speaks it. libp2p does so at every stream, on both
 * sides, and reads the peer's whole record under a lock for it.
 */
export function noteProtocolsOnce(node: Pick<Libp2p, 'peerStore' | 'addEventListener'>): void {
  const noted = new Map<string, Map<string, Peer>>();
  const { peerStore } = node;
  const merge = peerStore.merge.bind(peerStore);
  peerStore.merge = async (id, data, options) => {
    const [protocol, ...others] = data.protocols ?? [];
    if (protocol === undefined || others.length > 0 || Object.keys(data).length > 1) return merge(id, data, options);
    const name = id.toString();
    const known = noted.get(name) ?? new Map<string, Peer>();
    const before = known.get(protocol);
    if (before !== undefined) return before;
    const peer = await merge(id, data, options);
    known.set(protocol, peer);
    if (noted.size >= mostPeers) noted.clear();
    noted.set(name, known);
    return peer;
  };
  node.addEventListener('peer:disconnect', ({ detail }) => void noted.delete(detail.toString()));
}
