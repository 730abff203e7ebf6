import type { Connection, Upgrader } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';

/** The parts of a libp2p node that its public interface does not show. */
export interface Internals {
  readonly transportManager: {
    /** Where the node listens. */
    getAddrs(): Multiaddr[];
    /** Dials past the queue, which would return an open connection to the same peer. */
    dial(address: Multiaddr, options: { readonly signal: AbortSignal }): Promise<Connection>;
  };
  readonly upgrader: Upgrader;
}

/** A libp2p service that is nothing but its components. */
export function internals({ transportManager, upgrader }: Internals): Internals {
  return { transportManager, upgrader };
}
