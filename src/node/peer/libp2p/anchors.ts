import type { AbortOptions, Connection, PeerId } from '@libp2p/interface';
import type { QueryEvent, SingleKadDHT } from '@libp2p/kad-dht';
import { peerIdFromString } from '@libp2p/peer-id';
import type { PeerIdString } from '../../../lib/types.ts';
import { type Claim, claims } from './claims.ts';

/** Most anchors of a node. */
const maxAnchors = 8;

interface Node {
  getConnections(peer: PeerId): readonly Connection[];
}

/** What this module needs of a hash table, which its declared type omits. */
interface Internals {
  readonly contentRouting: {
    peerRouting: { getClosestPeers(key: Uint8Array, options?: AbortOptions): AsyncIterable<QueryEvent> };
  };
  readonly network: {
    /** Never throws: it yields errors, too. */
    sendRequest(
      to: PeerId,
      message: { readonly type: 'GET_PROVIDERS'; readonly key: Uint8Array },
      options: AbortOptions & { readonly path: typeof path },
    ): AsyncIterable<QueryEvent>;
  };
}

/** Of no query. */
const path = { index: -1, queued: 0, running: 0, total: 0 } as const;

/**
 * The peers that this node starts from. They keep all of its records and are asked for every key, beside the peers
 * closest to the key: anyone can make ids that are closer than those of all others, and keep nothing.
 */
export class Anchors {
  readonly #peers = new Map<PeerIdString, PeerId>();

  add(peer: PeerIdString): void {
    if (this.#peers.size < maxAnchors) this.#peers.set(peer, peerIdFromString(peer));
  }

  /** Those that `node` is connected to. */
  of(node: Node): readonly PeerId[] {
    return [...this.#peers.values()].filter((peer) => node.getConnections(peer).length > 0);
  }
}

/** Has `dht` send its records to `anchors`, too, also when it renews them. */
export function keepAtAnchors(dht: SingleKadDHT, anchors: () => readonly PeerId[]): void {
  const { contentRouting } = internalsOf(dht);
  const { peerRouting } = contentRouting;
  contentRouting.peerRouting = {
    async *getClosestPeers(key, options) {
      const told = new Set<string>();
      for await (const event of peerRouting.getClosestPeers(key, options)) {
        if (event.name === 'FINAL_PEER') told.add(event.peer.id.toString());
        yield event;
      }
      for (const id of anchors())
        if (!told.has(id.toString()))
          yield { name: 'FINAL_PEER', type: 2, from: id, peer: { id, multiaddrs: [] }, path } satisfies QueryEvent;
    },
  };
}

/** The peers that `anchor` knows for a key. Never throws. @param key its multihash */
export async function* askAnchor(
  dht: SingleKadDHT,
  anchor: PeerId,
  key: Uint8Array,
  options: AbortOptions,
): AsyncGenerator<Claim> {
  const { network } = internalsOf(dht);
  yield* claims(network.sendRequest(anchor, { type: 'GET_PROVIDERS', key }, { ...options, path }));
}

function internalsOf(dht: SingleKadDHT): Internals {
  return dht as unknown as Internals;
}
