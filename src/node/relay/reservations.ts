import type { Monotonic } from '../../lib/clock.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { RelayLimits } from './constants.ts';
import { Tally } from './tally.ts';

interface Reservation {
  readonly ip: string;
  /** By the monotonic clock. */
  expiresAt: number;
}

/** Why a reservation is refused. */
export type ReservationRefusal = 'not-allowed' | 'full' | 'ip';

/** The peers that others may reach through this relay. */
export class Reservations {
  readonly #limits: RelayLimits;
  readonly #allowed: ReadonlySet<PeerIdString>;
  readonly #monotonic: Monotonic;
  readonly #reservations = new Map<PeerIdString, Reservation>();
  readonly #perIp = new Tally();

  /** @param allowed empty: every peer */
  constructor(limits: RelayLimits, allowed: ReadonlySet<PeerIdString>, monotonic: Monotonic) {
    this.#limits = limits;
    this.#allowed = allowed;
    this.#monotonic = monotonic;
  }

  get size(): number {
    return this.#reservations.size;
  }

  has(peer: PeerIdString): boolean {
    const reservation = this.#reservations.get(peer);
    return reservation !== undefined && reservation.expiresAt > this.#monotonic();
  }

  /** Makes or renews the reservation of a peer. @returns why not, or null */
  reserve(peer: PeerIdString, ip: string): ReservationRefusal | null {
    if (this.#allowed.size > 0 && !this.#allowed.has(peer)) return 'not-allowed';
    const known = this.#reservations.get(peer);
    if (known?.ip !== ip) {
      if (this.#perIp.of(ip) >= this.#limits.maxReservationsPerIp) return 'ip';
      if (known === undefined && this.#reservations.size >= this.#limits.maxReservations) return 'full';
      this.release(peer);
      this.#perIp.add(ip);
    }
    this.#reservations.set(peer, { ip, expiresAt: this.#monotonic() + this.#limits.reservationMs });
    return null;
  }

  release(peer: PeerIdString): void {
    const known = this.#reservations.get(peer);
    if (known === undefined) return;
    this.#reservations.delete(peer);
    this.#perIp.remove(known.ip);
  }

  /** Drops the reservations that have expired. */
  sweep(): void {
    const now = this.#monotonic();
    for (const [peer, { expiresAt }] of this.#reservations) if (expiresAt <= now) this.release(peer);
  }
}
