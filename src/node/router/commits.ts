import { toHex } from '../../lib/bytes.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { maxCommits } from './constants.ts';

/**
 * The providers that have seen each commit. A provider never sees the same commit twice (section 4.0): after the first
 * job it may know the secret, and could cheat at positions that the challenge does not open.
 */
export class Commits {
  readonly #seen = new Map<string, Set<PeerIdString>>();

  has(commit: Uint8Array, peer: PeerIdString): boolean {
    return this.#seen.get(toHex(commit))?.has(peer) ?? false;
  }

  add(commit: Uint8Array, peer: PeerIdString): void {
    const key = toHex(commit);
    const peers = this.#seen.get(key) ?? new Set();
    peers.add(peer);
    // Kept in order of use: the first entry is the oldest.
    this.#seen.delete(key);
    this.#seen.set(key, peers);
    if (this.#seen.size > maxCommits) {
      for (const oldest of this.#seen.keys()) {
        this.#seen.delete(oldest);
        break;
      }
    }
  }
}
