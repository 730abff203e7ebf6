import type { PeerIdString } from '../../lib/types.ts';
import type { VerifiedCard } from '../cards/cards.ts';

/** How a peer came to be known: the local network, the distributed hash table, … */
export type Source = 'local' | 'dht' | 'bootstrap' | 'cache' | 'named' | 'connected';

export interface Health {
  readonly sources: readonly Source[];
  /** Unix ms: when it was reached, and when its card was last had from itself. */
  readonly since: number;
  readonly cardAt: number;
  /** Round trip as last measured. */
  readonly rttMs: number | null;
  /** How often it was lost or could not be reached in this run. */
  readonly failures: number;
}

/** A peer with an open, answering connection and a valid card. */
export interface LivePeer extends VerifiedCard {
  readonly health: Health;
}

export interface DiscoveryEvents {
  'peer:up': [peer: LivePeer];
  /** It is gone, or its card is. */
  'peer:down': [peer: PeerIdString];
  /** A live peer has a newer card. */
  'peer:card': [peer: LivePeer];
}
