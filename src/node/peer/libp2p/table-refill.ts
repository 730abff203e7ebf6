import type { AbortOptions, PeerId } from '@libp2p/interface';
import type { QvacNode } from '../libp2p.ts';

/** What this module needs of a routing table, which its declared type omits. */
interface Table {
  readonly size: number;
  /** Pings a peer and adds it if it answers. Never throws; joins an attempt for the same peer. */
  queueRoutingTableUpdate(peer: PeerId, options: AbortOptions & { readonly activeTimeout: number }): void;
}

/** How long a peer may take to answer, in ms. */
const answerMs = 10_000;

/**
 * Tries connected peers again for the routing table while it is empty. libp2p tries each of them when it is identified:
 * after a seed that was too busy to answer then, a node would neither announce itself nor find others until it connects
 * again. Never throws.
 * @param protocol of the hash table
 */
export async function refillTable(node: QvacNode, protocol: string): Promise<void> {
  const table = node.services.dht?.routingTable as unknown as Table | undefined;
  if (table === undefined || table.size > 0) return;
  for (const peer of node.getPeers()) {
    const known = await node.peerStore.get(peer).catch(() => null);
    if (known?.protocols.includes(protocol) === true) table.queueRoutingTableUpdate(peer, { activeTimeout: answerMs });
  }
}
