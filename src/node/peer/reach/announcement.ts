/** What decides which of its addresses a node announces. Multiaddrs without `/p2p/<own id>`. */
export interface AnnouncementState {
  /** Chosen by the operator. */
  readonly configured: readonly string[];
  /** Those at which peers have dialled this node back. */
  readonly confirmed: readonly string[];
  /** Those at relays, `…/p2p/<relay>/p2p-circuit`. */
  readonly relayed: readonly string[];
  /** Those at which it listens. */
  readonly listening: readonly string[];
  /** Whether it is connected to a peer outside this machine and its local network. */
  readonly isOnline: boolean;
}

/**
 * The addresses to announce. On the internet these are the ones that work from there; a local network learns the others
 * by multicast. A node that sees no peer outside its local network announces where it listens: nobody else hears it.
 */
export function announcedAddresses({
  configured,
  confirmed,
  relayed,
  listening,
  isOnline,
}: AnnouncementState): readonly string[] {
  const reachable = [...new Set([...(configured.length > 0 ? configured : confirmed), ...relayed])];
  return reachable.length > 0 || isOnline ? reachable : listening;
}
