import { setMaxListeners } from 'node:events';
import type { CID } from 'multiformats/cid';
import { anySignal } from '../../lib/abort.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import type { QvacNode } from './libp2p.ts';

/** The distributed hash table of our network. Its records are unsigned and say only "ask this peer". */
export interface Routing {
  /** Peers in the routing table. With none, queries find nothing and say so only after their time is up. */
  size(): number;
  /** Tells the peers closest to `key` that this node has it. Renewed until `withdraw`. */
  announce(key: CID, options?: AbortOptions): Promise<void>;
  withdraw(key: CID): Promise<void>;
  /** Peers that said they have `key`, as they are found, each once. Their addresses are known from then on. */
  providers(key: CID, options?: AbortOptions): AsyncIterable<PeerIdString>;
  /** Peers of the network near `key`, as they are found. */
  closest(key: Uint8Array, options?: AbortOptions): AsyncIterable<PeerIdString>;
}

/** How long a query goes on without a signal, in ms. */
const queryTimeoutMs = 30_000;

/** @param node the running node, or null while there is none */
export function createRouting(node: () => QvacNode | null): Routing {
  const running = (): QvacNode['services']['dht'] | undefined => node()?.services.dht;
  return {
    size: () => running()?.routingTable.size ?? 0,
    async announce(key, options) {
      const events = running()?.provide(key, { signal: bounded(options) });
      // The events only report; but nothing happens unless they are taken.
      if (events !== undefined) for await (const _ of events);
    },
    async withdraw(key) {
      await running()?.cancelReprovide(key);
    },
    async *providers(key, options) {
      const seen = new Set<string>();
      for await (const event of running()?.findProviders(key, { signal: bounded(options) }) ?? []) {
        if (event.name !== 'PROVIDER') continue;
        for (const { id } of event.providers) {
          const peer = id.toString();
          if (seen.has(peer)) continue;
          seen.add(peer);
          yield peer as PeerIdString;
        }
      }
    },
    async *closest(key, options) {
      for await (const event of running()?.getClosestPeers(key, { signal: bounded(options) }) ?? []) {
        if (event.name === 'FINAL_PEER') yield event.peer.id.toString() as PeerIdString;
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
