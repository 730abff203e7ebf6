import type { PeerIdString } from '../../lib/types.ts';

/** Counts work in progress per peer, within limits, and signals each change. */
export class InFlight {
  readonly #counts = new Map<PeerIdString, number>();
  #total = 0;
  #changed = Promise.withResolvers<void>();

  get total(): number {
    return this.#total;
  }

  of(peer: PeerIdString): number {
    return this.#counts.get(peer) ?? 0;
  }

  /** Counts one more for `peer`. @returns an idempotent function that counts it off again */
  add(peer: PeerIdString): () => void {
    this.#counts.set(peer, this.of(peer) + 1);
    this.#total += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = this.of(peer) - 1;
      if (left > 0) this.#counts.set(peer, left);
      else this.#counts.delete(peer);
      this.#total -= 1;
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    };
  }

  /** Like `add`, but returns null if `peer` or the total is at its limit. */
  tryAdd(peer: PeerIdString, limits: { readonly perPeer: number; readonly total: number }): (() => void) | null {
    return this.of(peer) >= limits.perPeer || this.#total >= limits.total ? null : this.add(peer);
  }

  /** Resolves when the next unit of work ends. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }
}
