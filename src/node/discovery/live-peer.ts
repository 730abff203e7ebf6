import type { PeerIdString } from '../../lib/types.ts';
import type { VerifiedCard } from '../cards/cards.ts';

/** How this node learnt of a peer: the local network, the distributed hash table, … */
export type Source = 'local' | 'dht' | 'bootstrap' | 'cache' | 'named' | 'connected';

export interface Health {
  readonly sources: readonly Source[];
  /** Unix ms: when it was reached, and when it last sent its card. */
  readonly since: number;
  readonly cardAt: number;
  /** Round trip, as last measured. */
  readonly rttMs: number | null;
  /** Lost connections and failed attempts of this run. */
  readonly failures: number;
}

/** A peer with an open, answering connection and a valid card. */
export interface LivePeer extends VerifiedCard {
  readonly health: Health;
}

export interface DiscoveryEvents {
  'peer:up': [peer: LivePeer];
  /** Its connection closed, or its card expired. */
  'peer:down': [peer: PeerIdString];
  /** A live peer has a newer card. */
  'peer:card': [peer: LivePeer];
}
