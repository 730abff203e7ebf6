import { setMaxListeners } from 'node:events';
import type { PeerId } from '@libp2p/interface';
import type { QueryEvent } from '@libp2p/kad-dht';
import type { CID } from 'multiformats/cid';
import { anySignal } from '../../lib/abort.ts';
import { merge } from '../../lib/merge.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import { type Anchors, askAnchor } from './libp2p/anchors.ts';
import type { QvacNode } from './libp2p.ts';

/** The network's distributed hash table. Its records are unsigned and say no more than "ask this peer". */
export interface Routing {
  /** Whether this node takes part in it at all. */
  readonly isEnabled: boolean;
  /** Peers in the routing table. Without any, only the anchors are asked. */
  size(): number;
  /** Makes `peer` an anchor: it keeps all announcements of this node, and is asked for every key. */
  anchor(peer: PeerIdString): void;
  /**
   * Announces to the peers closest to `key`, and to the anchors, that this node has it. Renewed until `withdraw`.
   * @throws Error if no peer took the announcement; the signal's reason
   */
  announce(key: CID, options?: AbortOptions): Promise<void>;
  withdraw(key: CID): Promise<void>;
  /** Peers that announced `key`, each once, as they are found. Their addresses are known from then on. */
  providers(key: CID, options?: AbortOptions): AsyncIterable<PeerIdString>;
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
      const queries = dht.routingTable.size === 0 ? [] : [named(dht.findProviders(key, limits))];
      const asked = anchors.of(current).map((anchor) => askAnchor(dht, anchor, key.multihash.bytes, limits));
      const seen = new Set<string>();
      for await (const id of merge(...queries, ...asked)) {
        const peer = id.toString();
        if (seen.has(peer)) continue;
        seen.add(peer);
        yield peer as PeerIdString;
      }
    },
  };
}

async function* named(events: AsyncIterable<QueryEvent>): AsyncGenerator<PeerId> {
  for await (const event of events) if (event.name === 'PROVIDER') yield* event.providers.map(({ id }) => id);
}

function bounded(options: AbortOptions = {}): AbortSignal {
  const deadline = AbortSignal.timeout(queryTimeoutMs);
  const signal = anySignal(deadline, options.signal);
  setMaxListeners(0, signal);
  return signal;
}
