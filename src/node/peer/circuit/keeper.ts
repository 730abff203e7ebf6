import { EventEmitter } from 'node:events';
import type { Connection } from '@libp2p/interface';
import { messageOf } from '../../../errors.ts';
import { anySignal } from '../../../lib/abort.ts';
import { type Clock, type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import { ipOfMultiaddr } from '../../../lib/ip-kind.ts';
import type { Logger } from '../../../lib/log.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import { CircuitError } from './circuit-error.ts';
import {
  keeperTickMs,
  maxRelayCandidates,
  minRenewMs,
  relayDialTimeoutMs,
  relayRefusedMs,
  relayRetryMs,
  renewAfterShare,
  reserveTimeoutMs,
  wantedRelays,
} from './constants.ts';
import { type Reservation, reserve } from './reserve.ts';

export interface RelayKeeperComponents {
  /** An open direct connection to a peer, or null. */
  linkTo(peer: PeerIdString): Connection | null;
  /** Opens a direct connection to a relay at one of its addresses, multiaddrs with `/p2p`. @throws if none answers */
  dial(peer: PeerIdString, addrs: readonly string[], signal: AbortSignal): Promise<Connection>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
  /** 0 … 1. @default Math.random */
  readonly random?: (() => number) | undefined;
}

/** A relay that may be used. */
interface Candidate {
  readonly peer: PeerIdString;
  /** Multiaddrs with `/p2p`. */
  addrs: readonly string[];
  readonly isConfigured: boolean;
  reservation: Reservation | null;
  renewAt: number;
  nextAt: number;
  failures: number;
  busy: boolean;
  /** Why the last attempt failed; null if it did not. */
  why: string | null;
}

/** A relay as `qvac status` shows it. */
export interface KeptRelay {
  readonly peer: PeerIdString;
  /** Of the reservation; empty without one. */
  readonly addrs: readonly string[];
  readonly why: string | null;
}

/**
 * Keeps reservations at relays while it is asked to, whatever happens to relays, routers and lines: it tries again at
 * once when a connection to a relay is lost, less and less often while that fails, and turns to other candidates.
 */
export class RelayKeeper {
  /** The reservations have changed, or a first attempt has failed. */
  readonly events = new EventEmitter<{ change: [] }>();
  readonly #components: RelayKeeperComponents;
  readonly #monotonic: Monotonic;
  readonly #candidates = new Map<PeerIdString, Candidate>();
  #isWanted = false;
  #timer: NodeJS.Timeout | null = null;
  #stopping = new AbortController();

  constructor(components: RelayKeeperComponents) {
    this.#components = components;
    this.#monotonic = components.monotonic ?? monotonicMs;
  }

  /** A relay that may be used. Those of the configuration come first. @param addrs multiaddrs with `/p2p` */
  add(peer: PeerIdString, addrs: readonly string[], { isConfigured = false } = {}): void {
    const known = this.#candidates.get(peer);
    if (known !== undefined) {
      if (addrs.length > 0 && !known.isConfigured) known.addrs = addrs;
      return;
    }
    const others = [...this.#candidates.values()].filter((each) => !each.isConfigured);
    if (!isConfigured && others.length >= maxRelayCandidates) {
      const worst = others.find(({ reservation, failures }) => reservation === null && failures > 0);
      if (worst === undefined) return;
      this.#candidates.delete(worst.peer);
    }
    const never = Number.NEGATIVE_INFINITY;
    const idle = { reservation: null, renewAt: never, nextAt: never, failures: 0, busy: false, why: null };
    this.#candidates.set(peer, { peer, addrs, isConfigured, ...idle });
    this.tick();
  }

  /** Whether reservations are to be kept. Without, no new ones are made, and those that exist are no longer used. */
  want(isWanted: boolean): void {
    if (this.#isWanted === isWanted) return;
    this.#isWanted = isWanted;
    if (!isWanted) for (const candidate of this.#candidates.values()) candidate.reservation = null;
    this.events.emit('change');
    this.tick();
  }

  start(): void {
    this.#timer ??= setInterval(() => this.tick(), keeperTickMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#stopping.abort();
    this.#stopping = new AbortController();
    for (const candidate of this.#candidates.values()) candidate.reservation = null;
  }

  /** Whether it wants more reservations than it has. */
  lacksRelays(): boolean {
    return this.#isWanted && this.reservations().length < wantedRelays;
  }

  /** The current reservations. */
  reservations(): readonly Reservation[] {
    return [...this.#candidates.values()].flatMap(({ reservation }) => reservation ?? []);
  }

  /** The relays with a reservation, and those at which the last attempt failed. */
  relays(): readonly KeptRelay[] {
    return [...this.#candidates.values()]
      .filter(({ reservation, why }) => reservation !== null || why !== null)
      .map(({ peer, reservation, why }) => ({ peer, addrs: reservation?.addrs ?? [], why }));
  }

  /** Whether circuits from this relay are welcome: there is a reservation, or one is being made. */
  accepts(relay: PeerIdString): boolean {
    const candidate = this.#candidates.get(relay);
    return candidate !== undefined && (candidate.reservation !== null || candidate.busy);
  }

  /** A direct connection to `peer` is gone: the reservation there ended with it, unless another one is open. */
  disconnected(peer: PeerIdString): void {
    const candidate = this.#candidates.get(peer);
    if (candidate === undefined || this.#components.linkTo(peer) !== null) return;
    const had = candidate.reservation !== null;
    candidate.reservation = null;
    candidate.failures = 0;
    candidate.nextAt = Number.NEGATIVE_INFINITY;
    if (had) this.events.emit('change');
    this.tick();
  }

  /** Makes and renews what is due. */
  tick(): void {
    if (this.#timer === null || !this.#isWanted) return;
    const now = this.#monotonic();
    const all = [...this.#candidates.values()];
    for (const candidate of all)
      if (candidate.reservation !== null && !candidate.busy && candidate.renewAt <= now) void this.#reserve(candidate);
    let room = wantedRelays - all.filter(({ reservation, busy }) => reservation !== null || busy).length;
    for (const candidate of this.#ranked(all)) {
      if (room <= 0) return;
      if (candidate.reservation !== null || candidate.busy || candidate.nextAt > now) continue;
      room -= 1;
      void this.#reserve(candidate);
    }
  }

  /** The configured ones first, then those that failed least; at other addresses than the relays in use. */
  #ranked(all: readonly Candidate[]): readonly Candidate[] {
    const used = new Set(all.filter(({ reservation }) => reservation !== null).flatMap(placesOf));
    const rank = (each: Candidate): number =>
      (each.isConfigured ? 0 : 1_000) + (placesOf(each).some((place) => used.has(place)) ? 100 : 0) + each.failures;
    return all.toSorted((a, b) => rank(a) - rank(b));
  }

  async #reserve(candidate: Candidate): Promise<void> {
    const { linkTo, dial, clock, logger } = this.#components;
    const { peer } = candidate;
    const { signal } = this.#stopping;
    const before = candidate.reservation;
    candidate.busy = true;
    try {
      const link =
        linkTo(peer) ?? (await dial(peer, candidate.addrs, anySignal(signal, AbortSignal.timeout(relayDialTimeoutMs))));
      const reservation = await reserve(link, anySignal(signal, AbortSignal.timeout(reserveTimeoutMs)));
      if (signal.aborted || !this.#isWanted) return;
      candidate.reservation = reservation;
      candidate.failures = 0;
      candidate.why = null;
      const lifeMs = reservation.expiresAt - clock.now();
      candidate.renewAt = this.#monotonic() + Math.max(minRenewMs, lifeMs * renewAfterShare);
      if (before === null) logger.info('reserved at a relay', { relay: peer });
      if (before?.addrs.join() !== reservation.addrs.join()) this.events.emit('change');
    } catch (error) {
      if (signal.aborted) return;
      candidate.why = messageOf(error);
      candidate.failures += 1;
      candidate.nextAt = this.#monotonic() + this.#waitMs(candidate, error);
      candidate.renewAt = candidate.nextAt;
      // A renewal that fails on an open connection: the old reservation holds until it expires.
      const lost = before !== null && (linkTo(peer) === null || before.expiresAt <= clock.now());
      if (lost) candidate.reservation = null;
      logger.debug('not reserved at a relay', { relay: peer, reason: candidate.why });
      if (lost || candidate.failures === 1) this.events.emit('change');
    } finally {
      candidate.busy = false;
    }
    this.tick();
  }

  #waitMs({ failures }: Candidate, error: unknown): number {
    const { random = Math.random } = this.#components;
    const tier = relayRetryMs[Math.min(failures, relayRetryMs.length) - 1] ?? 0;
    return (error instanceof CircuitError ? Math.max(tier, relayRefusedMs) : tier) * (1 + 0.3 * random());
  }
}

/** The IP addresses of a candidate: relays of one operator often share them. */
function placesOf({ addrs }: Candidate): readonly string[] {
  return addrs.flatMap((address) => ipOfMultiaddr(address) ?? []);
}
