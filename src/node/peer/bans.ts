import type { Clock } from '../../lib/clock.ts';
import type { PeerIdString } from '../../lib/types.ts';

export interface BanLimits {
  /** Bad frames within `windowMs` that ban a peer. @default 20 */
  readonly badFrames: number;
  /** @default 60_000 */
  readonly windowMs: number;
  /** How long a ban lasts. @default 60_000 */
  readonly banMs: number;
}

const defaultBanLimits: BanLimits = { badFrames: 20, windowMs: 60_000, banMs: 60_000 };

/** Peers remembered at most. Keys cost nothing, so a list of them must not grow with whoever makes new ones. */
const maxPeers = 2048;

/** Who broke the protocol how often, and who may not connect for a while. */
export class Bans {
  readonly #clock: Clock;
  readonly #limits: BanLimits;
  readonly #until = new Map<PeerIdString, number>();
  readonly #faults = new Map<PeerIdString, { count: number; since: number }>();

  constructor(clock: Clock, limits: Partial<BanLimits> = {}) {
    this.#clock = clock;
    this.#limits = { ...defaultBanLimits, ...limits };
  }

  isBanned(peer: PeerIdString): boolean {
    const until = this.#until.get(peer);
    if (until === undefined) return false;
    if (until > this.#clock.now()) return true;
    this.#until.delete(peer);
    return false;
  }

  ban(peer: PeerIdString): void {
    this.#faults.delete(peer);
    remember(this.#until, peer, this.#clock.now() + this.#limits.banMs);
  }

  /** Notes a bad frame. True where it was one too many: the peer is banned now. */
  badFrame(peer: PeerIdString): boolean {
    const now = this.#clock.now();
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
