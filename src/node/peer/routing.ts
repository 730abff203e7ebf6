import { setMaxListeners } from 'node:events';
import type { CID } from 'multiformats/cid';
import { anySignal } from '../../lib/abort.ts';
import { merge } from '../../lib/merge.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import { type Anchors, askAnchor } from './libp2p/anchors.ts';
import { type Claim, claims, ownClaims } from './libp2p/claims.ts';
import type { QvacNode } from './libp2p.ts';

/** The network's distributed hash table. Its records are unsigned and say no more than "ask this peer". */
export interface Routing {
  /** Whether this node takes part in it at all. */
  readonly isEnabled: boolean;
  /** Peers in the routing table. Without any, only the anchors and this node's own records are asked. */
  size(): number;
  /** Makes `peer` an anchor: it keeps all announcements of this node, and is asked for every key. */
  anchor(peer: PeerIdString): void;
  /**
   * Announces to the peers closest to `key`, and to the anchors, that this node has it. Renewed until `withdraw`.
   * @throws Error if no peer took the announcement; the signal's reason
   */
  announce(key: CID, options?: AbortOptions): Promise<void>;
  withdraw(key: CID): Promise<void>;
  /** Peers that announced `key`, each once for each node that says so. Their addresses are known from then on. */
  providers(key: CID, options?: AbortOptions): AsyncIterable<Claim>;
}

/** How long a query may take, in ms. */
const queryTimeoutMs = 30_000;

/** @param node the running node, or null while there is none */
export function createRouting(node: () => QvacNode | null, anchors: Anchors, isEnabled: boolean): Routing {
  const running = (): QvacNode['services']['dht'] | undefined => node()?.services.dht;
  return {
    isEnabled,
    size: () => running()?.routingTable.size ?? 0,
    anchor: (peer) => anchors.add(peer),
    async announce(key, options) {
      const events = running()?.provide(key, { signal: bounded(options) });
      if (events === undefined) return;
      let holders = 0;
      // The query runs only while its events are consumed.
      for await (const event of events)
        if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') holders += 1;
      // This node may have lost its network.
      if (holders === 0) throw new Error('no peer keeps the record');
    },
    async withdraw(key) {
      await running()?.cancelReprovide(key);
    },
    async *providers(key, options) {
      const current = node();
      const dht = current?.services.dht;
      if (current === null || dht === undefined) return;
      const limits = { signal: bounded(options) };
      // With an empty table a query waits for its first peer, up to the deadline.
      const self = current.peerId.toString() as PeerIdString;
      const query =
        dht.routingTable.size === 0 ? ownClaims(dht, key, self, limits) : claims(dht.findProviders(key, limits));
      const asked = anchors.of(current).map((anchor) => askAnchor(dht, anchor, key.multihash.bytes, limits));
      const seen = new Set<string>();
      for await (const { peer, by } of merge(query, ...asked)) {
        if (seen.has(`${peer} ${by}`)) continue;
        seen.add(`${peer} ${by}`);
        yield { peer, by };
      }
    },
  };
}

function bounded(options: AbortOptions = {}): AbortSignal {
  const deadline = AbortSignal.timeout(queryTimeoutMs);
  const signal = anySignal(deadline, options.signal);
  setMaxListeners(0, signal);
  return signal;
}
