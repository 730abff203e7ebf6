import type { PeerIdString } from '../../lib/types.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import type { LivePeer, Source } from './live-peer.ts';

/** A known peer, live or not. */
export interface Known {
  readonly peer: PeerIdString;
  readonly sources: Set<Source>;
  /** Multiaddrs that were given for it. */
  readonly targets: Set<string>;
  up: boolean;
  card: VerifiedCard | null;
  since: number;
  cardAt: number;
  /** When its card is asked for again, by the monotonic clock. */
  renewAt: number;
  failures: number;
  /** Failed requests for its card. */
  cardless: number;
  reaching: Promise<void> | null;
  renewing: boolean;
}

export function newKnown(peer: PeerIdString): Known {
  return {
    peer,
    sources: new Set(),
    targets: new Set(),
    up: false,
    card: null,
    since: 0,
    cardAt: 0,
    renewAt: 0,
    failures: 0,
    cardless: 0,
    reaching: null,
    renewing: false,
  };
}

/** @param rttMs round trip as last measured */
export function livePeerOf(
  { sources, since, cardAt, failures }: Known,
  card: VerifiedCard,
  rttMs: number | null,
): LivePeer {
  return { ...card, health: { sources: [...sources], since, cardAt, rttMs, failures } };
}
