import type { PeerIdString } from '../../lib/types.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import type { CachedPeer } from './peer-cache.ts';

/** Most peers to remember. */
const most = 1024;

/** The newest card of each peer, lost peers and earlier runs included, so that no peer can roll its card back. */
export class NewestCards {
  readonly #seen = new Map<PeerIdString, CachedPeer>();

  of(peer: PeerIdString): VerifiedCard | undefined {
    return this.#seen.get(peer)?.card;
  }

  all(): readonly CachedPeer[] {
    return [...this.#seen.values()];
  }

  /** Keeps `seen`, unless a newer card of that peer is known. */
  remember(seen: CachedPeer): void {
    const before = this.#seen.get(seen.peer);
    if (before !== undefined && before.card.card.seq > seen.card.card.seq) return;
    this.#seen.delete(seen.peer);
    this.#seen.set(seen.peer, { ...seen, addrs: seen.addrs.length > 0 ? seen.addrs : (before?.addrs ?? []) });
    if (this.#seen.size <= most) return;
    for (const oldest of this.#seen.keys()) {
      this.#seen.delete(oldest);
      return;
    }
  }
}
