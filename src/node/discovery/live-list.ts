import { EventEmitter } from 'node:events';
import { messageOf, QvacError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import { type Clock, monotonicMs } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { shortPeer } from '../../lib/names.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { cardRenewalMs } from '../../protocol/constants.ts';
import { fetchCard, type VerifiedCard } from '../cards/cards.ts';
import type { Peer } from '../peer/peer.ts';
import { isUnsupported } from '../peer/peer-errors.ts';
import { type Known, livePeerOf, newKnown } from './known-peer.ts';
import type { DiscoveryEvents, LivePeer, Source } from './live-peer.ts';
import { NewestCards } from './newest-cards.ts';
import type { CachedPeer } from './peer-cache.ts';

export interface LiveListComponents {
  readonly peer: Peer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Most peers to remember, and the sources that may name any number of peers. */
export const maxKnown = 512;
/** Known peers from which on those that merely connect are not asked for cards: the hash table connects to hundreds. */
export const maxVolunteers = 16;
const unasked: readonly Source[] = ['dht', 'local', 'cache', 'connected'];
/** How long reaching a peer may take, its card included, in ms. */
const reachMs = 6_000;
/** A card that expires within this time is not used, in ms. */
const marginMs = 5_000;
/** Shortest time between two requests for a card, in ms. */
const minRenewMs = 10_000;
/** Time until a node that has no card yet is asked again, in ms; doubles each time. */
const cardlessMs = 2_000;
const maxCardless = 6;

/** The known peers, and which of them are live: connected, answering, with a valid card. */
export class LiveList {
  readonly events = new EventEmitter<DiscoveryEvents>();
  /** Emitted at every change, for searches that wait. */
  readonly changes = new EventEmitter<{ change: [] }>();
  readonly #components: LiveListComponents;
  readonly #collect: boolean;
  readonly #onForgotten: (peer: PeerIdString) => void;
  readonly #known = new Map<PeerIdString, Known>();
  readonly #newest = new NewestCards();
  readonly #stopping = new AbortController();
  #lastError: string | null = null;

  /** @param onForgotten called with each peer that makes room for another one */
  constructor(components: LiveListComponents, collect: boolean, onForgotten: (peer: PeerIdString) => void) {
    this.#components = components;
    this.#collect = collect;
    this.#onForgotten = onForgotten;
    this.events.setMaxListeners(0);
    this.changes.setMaxListeners(0);
  }

  stop(): void {
    this.#stopping.abort();
    this.#known.clear();
  }

  lastError(): string | null {
    return this.#lastError;
  }

  live(): readonly LivePeer[] {
    const now = this.#components.clock.now();
    return [...this.#known.values()].flatMap((known) =>
      known.up && known.card !== null && known.card.card.expiresAt > now ? [this.#livePeer(known, known.card)] : [],
    );
  }

  /** Keeps the card of a connected peer for the next run, without calling the peer live. Never throws. */
  async note(peer: PeerIdString): Promise<void> {
    const { clock } = this.#components;
    try {
      const card = await fetchCard(this.#components, peer, {
        signal: this.#stopping.signal,
        newest: this.#newest.of(peer),
      });
      const addrs = await this.#components.peer.addrsOf(peer);
      this.#newest.remember({ peer, card, seenAt: clock.now(), addrs });
    } catch (error) {
      this.#components.logger.debug('a card was not kept', { peer, error: messageOf(error) });
    }
  }

  /** Adds a peer of an earlier run. */
  recall(cached: CachedPeer): void {
    this.#newest.remember(cached);
  }

  /** The peers to keep for the next run. */
  async cached(): Promise<readonly CachedPeer[]> {
    const seenAt = this.#components.clock.now();
    for (const { peer } of this.live()) {
      const card = this.#newest.of(peer);
      if (card !== undefined)
        this.#newest.remember({ peer, card, seenAt, addrs: await this.#components.peer.addrsOf(peer) });
    }
    return this.#newest.all();
  }

  /** Notes the source that named `peer`. False if the list is full, or has enough peers that merely connected. */
  add(peer: PeerIdString, source: Source, target?: string): boolean {
    if (peer === this.#components.peer.id) return false;
    let known = this.#known.get(peer);
    if (known === undefined) {
      if (source === 'connected' && this.#known.size >= maxVolunteers) return false;
      if (unasked.includes(source) && this.#known.size >= maxKnown && !this.#forgetWorst()) return false;
      known = newKnown(peer);
      this.#known.set(peer, known);
    }
    known.sources.add(source);
    if (target !== undefined) known.targets.add(target);
    return true;
  }

  /** Makes room: forgets the peer that failed most often. False if none failed. */
  #forgetWorst(): boolean {
    let worst: Known | null = null;
    for (const known of this.#known.values()) {
      const isDead = !known.up && known.reaching === null && known.failures > (worst?.failures ?? 0);
      if (isDead && [...known.sources].every((source) => unasked.includes(source))) worst = known;
    }
    if (worst === null) return false;
    this.#known.delete(worst.peer);
    this.#onForgotten(worst.peer);
    return true;
  }

  forget(peer: PeerIdString): void {
    if (this.#known.get(peer)?.up === false) this.#known.delete(peer);
  }

  isKnown(peer: PeerIdString): boolean {
    return this.#known.has(peer);
  }

  isUp(peer: PeerIdString): boolean {
    return this.#known.get(peer)?.up === true;
  }

  get(peer: PeerIdString): LivePeer | null {
    return this.live().find((live) => live.peer === peer) ?? null;
  }

  /** Connects to a known peer, and fetches its card if cards are collected. @throws QvacError */
  reach(peer: PeerIdString): Promise<void> {
    const known = this.#known.get(peer);
    if (known === undefined) return Promise.reject(new QvacError('E_NETWORK', `${shortPeer(peer)} is not known`));
    known.reaching ??= this.#reach(known).finally(() => {
      known.reaching = null;
      this.changes.emit('change');
    });
    return known.reaching;
  }

  /** Fetches the current card. @throws QvacError */
  async refresh(peer: PeerIdString, signal?: AbortSignal): Promise<void> {
    const known = this.#known.get(peer);
    if (known === undefined) return;
    try {
      this.#up(known, await this.#fetch(known, anySignal(this.#stopping.signal, signal)));
    } catch (error) {
      if (isBad(error)) this.#down(known);
      throw error;
    }
  }

  /** The connection to `peer` is gone. */
  lost(peer: PeerIdString): void {
    const known = this.#known.get(peer);
    if (known !== undefined) this.#down(known);
  }

  /** Drops peers whose card expired, and renews cards that are about to expire. */
  tick(): void {
    const date = this.#components.clock.now();
    const now = monotonicMs();
    for (const known of this.#known.values()) {
      if (!known.up || known.card === null) {
        if (known.cardless > 0 && known.renewAt <= now) void this.#askAgain(known);
      } else if (known.card.card.expiresAt <= date) this.#down(known);
      else if (known.renewAt <= now && !known.renewing) void this.#renew(known);
    }
  }

  async #reach(known: Known): Promise<void> {
    const limit = AbortSignal.timeout(reachMs);
    const signal = anySignal(this.#stopping.signal, limit);
    try {
      await this.#connect(known, signal);
      if (this.#collect && !known.up) await this.#ask(known, signal);
    } catch (thrown) {
      // At the deadline the signal's own reason is thrown.
      const error =
        thrown === limit.reason
          ? new QvacError('E_TIMEOUT', `${shortPeer(known.peer)} does not answer`, { cause: thrown })
          : thrown;
      known.failures++;
      if (error instanceof QvacError) this.#lastError = error.message;
      throw error;
    }
  }

  async #connect(known: Known, signal: AbortSignal): Promise<void> {
    const { peer } = this.#components;
    let failure: unknown = null;
    for (const target of [...known.targets, known.peer]) {
      // Without an address of its own it would be searched for in the hash table, for seconds.
      if (failure !== null && target === known.peer && (await peer.addrsOf(known.peer)).length === 0) break;
      try {
        await peer.connect(target, { signal });
        return;
      } catch (error) {
        // The failure of a given address says more than that no address is known.
        failure ??= error;
      }
    }
    throw failure;
  }

  async #ask(known: Known, signal: AbortSignal): Promise<void> {
    const newest = this.#newest.of(known.peer);
    if (newest !== undefined && newest.card.expiresAt > this.#components.clock.now() + marginMs) {
      this.#up(known, newest);
      void this.#renew(known);
      return;
    }
    try {
      this.#up(known, await this.#fetch(known, signal));
    } catch (error) {
      // A client, or a node that only introduces others.
      if (!isUnsupported(error)) throw error;
      known.cardless++;
      known.renewAt = monotonicMs() + cardlessMs * 2 ** (known.cardless - 1);
    }
  }

  async #askAgain(known: Known): Promise<void> {
    const worthwhile = known.cardless < maxCardless && this.#components.peer.connected().includes(known.peer);
    if (!worthwhile) known.cardless = 0;
    else await this.reach(known.peer).catch(() => undefined);
  }

  async #fetch(known: Known, signal: AbortSignal): Promise<VerifiedCard> {
    return fetchCard(this.#components, known.peer, { signal, newest: this.#newest.of(known.peer) });
  }

  async #renew(known: Known): Promise<void> {
    known.renewing = true;
    known.renewAt = monotonicMs() + minRenewMs;
    try {
      this.#up(known, await this.#fetch(known, this.#stopping.signal));
    } catch (error) {
      const bad = isBad(error) || isUnsupported(error);
      this.#components.logger[bad ? 'warn' : 'debug']('a card was not renewed', {
        peer: known.peer,
        error: messageOf(error),
      });
      if (bad) this.#down(known);
    } finally {
      known.renewing = false;
    }
  }

  #up(known: Known, card: VerifiedCard): void {
    const { peer, clock } = this.#components;
    // The connection may have closed while the card was on its way.
    if (this.#known.get(known.peer) !== known || !peer.connected().includes(known.peer))
      throw new QvacError('E_TRUNCATED', `the connection to ${shortPeer(known.peer)} broke off`);
    const now = clock.now();
    const before = known.card;
    known.card = card;
    known.cardAt = now;
    // A card may be valid for years, but its prices change.
    known.renewAt = monotonicMs() + Math.min(cardRenewalMs, Math.max(minRenewMs, (card.card.expiresAt - now) / 2));
    this.#newest.remember({ peer: known.peer, card, seenAt: now, addrs: [] });
    const wasUp = known.up;
    known.cardless = 0;
    if (!wasUp) {
      known.up = true;
      known.since = now;
      peer.keep(known.peer, true);
    }
    const live = this.#livePeer(known, card);
    if (!wasUp) this.events.emit('peer:up', live);
    else if (before?.card.seq !== card.card.seq) this.events.emit('peer:card', live);
    this.changes.emit('change');
    void peer.learn(known.peer, card.card.addrs);
  }

  #down(known: Known): void {
    if (!known.up) return;
    known.up = false;
    known.failures++;
    this.#components.peer.keep(known.peer, false);
    this.events.emit('peer:down', known.peer);
    this.changes.emit('change');
  }

  #livePeer(known: Known, card: VerifiedCard): LivePeer {
    return livePeerOf(known, card, this.#components.peer.rtt(known.peer));
  }
}

/** True if the peer sent a card that is refused. */
function isBad(error: unknown): boolean {
  return error instanceof QvacError && error.code === 'E_BAD_PEER';
}
