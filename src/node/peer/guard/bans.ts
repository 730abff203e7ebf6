import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import type { PeerIdString } from '../../../lib/types.ts';

export interface BanLimits {
  /** Bad frames within `windowMs` that ban a peer. @default 20 */
  readonly badFrames: number;
  /** @default 60_000 */
  readonly windowMs: number;
  /** How long a ban lasts. @default 60_000 */
  readonly banMs: number;
}

const defaultBanLimits: BanLimits = { badFrames: 20, windowMs: 60_000, banMs: 60_000 };

/** Anyone can make keys at no cost, so the lists of peers are bounded. */
const maxPeers = 2048;

/** Counts bad frames per peer, and bans a peer that sends too many. */
export class Bans {
  readonly #limits: BanLimits;
  readonly #monotonic: Monotonic;
  /** When a ban ends, by the monotonic clock. */
  readonly #until = new Map<PeerIdString, number>();
  readonly #faults = new Map<PeerIdString, { count: number; since: number }>();

  constructor(limits: Partial<BanLimits> = {}, monotonic: Monotonic = monotonicMs) {
    this.#limits = { ...defaultBanLimits, ...limits };
    this.#monotonic = monotonic;
  }

  isBanned(peer: PeerIdString): boolean {
    const until = this.#until.get(peer);
    if (until === undefined) return false;
    if (until > this.#monotonic()) return true;
    this.#until.delete(peer);
    return false;
  }

  ban(peer: PeerIdString): void {
    this.#faults.delete(peer);
    remember(this.#until, peer, this.#monotonic() + this.#limits.banMs);
  }

  /** Counts a bad frame. True if it was one too many: the peer is banned now. */
  badFrame(peer: PeerIdString): boolean {
    const now = this.#monotonic();
    const known = this.#faults.get(peer);
    const fresh = known === undefined || now - known.since > this.#limits.windowMs;
    const fault = fresh ? { count: 1, since: now } : { count: known.count + 1, since: known.since };
    if (fault.count < this.#limits.badFrames) {
      remember(this.#faults, peer, fault);
      return false;
    }
    this.ban(peer);
    return true;
  }
}

function remember<Value>(map: Map<PeerIdString, Value>, peer: PeerIdString, value: Value): void {
  map.delete(peer);
  map.set(peer, value);
  if (map.size <= maxPeers) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
