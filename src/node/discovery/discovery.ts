import type { EventEmitter } from 'node:events';
import type { CID } from 'multiformats/cid';
import { QvacError } from '../../errors.ts';
import { anySignal, raceSignal } from '../../lib/abort.ts';
import { shortPeer } from '../../lib/names.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import { cardProtocol } from '../../protocol/constants.ts';
import { kadProtocol } from '../../protocol/discovery-keys.ts';
import { targetPeer } from '../peer/addresses.ts';
import { hopProtocol } from '../peer/circuit/messages.ts';
import { Announcer } from './announcer.ts';
import { LiveList, type LiveListComponents } from './live-list.ts';
import type { DiscoveryEvents, LivePeer, Source } from './live-peer.ts';
import { type Field, type FindOptions, lookUp, searchRouting } from './lookup.ts';
import { isSeed, PeerCache } from './peer-cache.ts';
import { fits, noProvider, type Query } from './query.ts';
import { SeedNames, type SeedNamesComponents, seedNameOf } from './seed-names.ts';
import { Supervisor, type SupervisorTimings } from './supervisor.ts';

export type { LivePeer } from './live-peer.ts';

/** The peer must be started. */
export type DiscoveryComponents = LiveListComponents;

export interface DiscoveryInit {
  /**
   * Multiaddrs with `/p2p/<id>` of peers that are retried forever, and `/dnsaddr/<name>` for peers that are looked up
   * while this node has no connection. @default none
   */
  readonly bootstrap?: readonly string[] | undefined;
  /** File of the peers seen in earlier runs. @default null: not kept */
  readonly cachePath?: string | null | undefined;
  /** Whether to fetch the cards of peers. @default true for a client or router; others need connections alone */
  readonly collect?: boolean | undefined;
  /** Time between two searches in the background, in ms. @default 30_000 for a router, else null: none */
  readonly sweepMs?: number | null | undefined;
  /** What those searches look for. @default any peer with a card */
  readonly watch?: readonly Query[] | undefined;
  readonly timings?: Partial<SupervisorTimings> | undefined;
  /** Looks up the texts of a name. @default by DNS */
  readonly resolveTxt?: SeedNamesComponents['resolveTxt'];
}

/** Announces this node and finds others. `start` and `stop` are idempotent. */
export interface Discovery {
  readonly events: EventEmitter<DiscoveryEvents>;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Announces this node under `keys`, and no longer under others. See `keysOfCard`. */
  announce(keys: readonly CID[]): void;
  /** The peers that are live now. */
  live(): readonly LivePeer[];
  /**
   * The peers that match and can be reached now.
   * @throws QvacError E_NO_PROVIDER if no peer matches, E_NETWORK if this node has no connection
   */
  find(query: Query, options?: FindOptions): Promise<readonly LivePeer[]>;
  /**
   * One peer by id or multiaddr; dials it if needed.
   * @throws QvacError E_NETWORK, E_BAD_PEER, E_NO_PROVIDER if it has no card
   */
  get(target: PeerIdString | string, options?: AbortOptions): Promise<LivePeer>;
  /** Fetches a peer's current card: prices and class change. @throws as `get` */
  refresh(peer: PeerIdString, options?: AbortOptions): Promise<LivePeer>;
}

export function createDiscovery(components: DiscoveryComponents, init: DiscoveryInit = {}): Discovery {
  return new MergedDiscovery(components, init);
}

/** How long the local network has to answer, in ms. */
const localWaitMs = 600;
/** Time between two checks of expired cards, searches and the cache, in ms. */
const tickMs = 1_000;
/** Time between two writes of the cache, in ms. */
const saveEveryMs = 30_000;
/** Peers of earlier runs that are tried at the start. */
const maxRecalled = 32;

class MergedDiscovery implements Discovery {
  readonly events: EventEmitter<DiscoveryEvents>;
  readonly #components: DiscoveryComponents;
  readonly #init: DiscoveryInit;
  readonly #list: LiveList;
  readonly #supervisor: Supervisor;
  readonly #announcer: Announcer;
  readonly #cache: PeerCache | null;
  readonly #field: Field;
  readonly #collect: boolean;
  readonly #names: SeedNames;
  readonly #stopping = new AbortController();
  #startedAt: number | null = null;
  #timer: NodeJS.Timeout | null = null;
  #savedAt = 0;
  #sweptAt = 0;

  constructor(components: DiscoveryComponents, init: DiscoveryInit) {
    const { peer, logger } = components;
    this.#components = components;
    this.#init = init;
    this.#collect = init.collect ?? (peer.role === 'client' || peer.role === 'router');
    this.#list = new LiveList(components, this.#collect, (id) => this.#supervisor.drop(id));
    this.events = this.#list.events;
    this.#supervisor = new Supervisor(
      {
        reach: (id) => this.#list.reach(id),
        alone: () => peer.connected().length === 0,
        forgotten: (id) => this.#list.forget(id),
      },
      init.timings,
    );
    // Also if only its card expired.
    this.events.on('peer:down', (id) => this.#supervisor.lost(id));
    this.#announcer = new Announcer({ routing: peer.routing, isReachable: () => peer.addrs().length > 0, logger });
    this.#cache = init.cachePath == null ? null : new PeerCache(init.cachePath, peer.network, logger);
    this.#field = this.#makeField();
    for (const target of this.#bootstrapPeers()) targetPeer(target, 'E_CONFIG');
    this.#names = new SeedNames(
      { logger, resolveTxt: init.resolveTxt },
      (init.bootstrap ?? []).flatMap((target) => seedNameOf(target) ?? []),
      (target) => this.#consider(targetPeer(target), 'bootstrap', target),
    );
  }

  #bootstrapPeers(): readonly string[] {
    return (this.#init.bootstrap ?? []).filter((target) => seedNameOf(target) === null);
  }

  async start(): Promise<void> {
    if (this.#startedAt !== null) return;
    this.#startedAt = performance.now();
    const { events } = this.#components.peer;
    events.on('connect', this.#onConnect);
    events.on('disconnect', this.#onDisconnect);
    events.on('local', this.#onLocal);
    events.on('identify', this.#onIdentify);
    events.on('addresses', this.#onAddresses);
    for (const target of this.#bootstrapPeers()) this.#consider(targetPeer(target), 'bootstrap', target);
    this.#supervisor.start();
    this.#announcer.start();
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#timer.unref();
    this.#savedAt = this.#startedAt;
    await this.#recall();
    if (this.#supervisor.size() === 0) this.#names.tick();
  }

  async stop(): Promise<void> {
    if (this.#startedAt === null || this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    const { events } = this.#components.peer;
    events.off('connect', this.#onConnect);
    events.off('disconnect', this.#onDisconnect);
    events.off('local', this.#onLocal);
    events.off('identify', this.#onIdentify);
    events.off('addresses', this.#onAddresses);
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#supervisor.stop();
    this.#announcer.stop();
    this.#names.stop();
    await this.#save();
    this.#list.stop();
  }

  announce(keys: readonly CID[]): void {
    this.#announcer.set(keys);
  }

  live(): readonly LivePeer[] {
    return this.#list.live();
  }

  async find(query: Query, options: FindOptions = {}): Promise<readonly LivePeer[]> {
    if (query.peer === undefined) return lookUp(this.#field, query, options);
    const live = await this.get(query.peer, options);
    if (!fits(live, query)) throw noProvider(query, this.#components.peer.network);
    return [live];
  }

  async get(target: PeerIdString | string, options: AbortOptions = {}): Promise<LivePeer> {
    const { peer } = this.#components;
    const id = targetPeer(target);
    if (id === peer.id) throw new QvacError('E_NETWORK', `${shortPeer(id)} is this node itself`);
    if (!this.#list.isUp(id)) {
      this.#list.add(id, 'named', target === id ? undefined : target);
      await raceSignal(this.#list.reach(id), options.signal);
      this.#supervisor.add(id, { hurry: true });
    }
    return this.#found(id);
  }

  async refresh(peer: PeerIdString, options: AbortOptions = {}): Promise<LivePeer> {
    if (!this.#list.isUp(peer)) await this.get(peer, options);
    await this.#list.refresh(peer, options.signal);
    return this.#found(peer);
  }

  #found(peer: PeerIdString): LivePeer {
    const live = this.#list.get(peer);
    if (live === null)
      throw new QvacError('E_NO_PROVIDER', `${shortPeer(peer)} has no card: it is neither a provider nor a router`);
    return live;
  }

  #makeField(): Field {
    const { peer } = this.#components;
    const list = this.#list;
    return {
      network: peer.network,
      routing: peer.routing,
      live: () => list.live(),
      consider: (id) => this.#consider(id, 'dht'),
      pending: () => this.#supervisor.busy(),
      random: Math.random,
      settled: () =>
        this.#supervisor.busy() === 0 &&
        !(peer.connected().length === 0 && this.#names.isBusy()) &&
        this.#startedAt !== null &&
        (!peer.mdns || performance.now() - this.#startedAt > localWaitMs),
      alone: () => peer.connected().length === 0,
      hopeful: () => this.#supervisor.size() > 0 || this.#names.isBusy(),
      lastError: () => list.lastError(),
      onChange: (listener) => {
        list.changes.on('change', listener);
        return () => list.changes.off('change', listener);
      },
    };
  }

  #consider(peer: PeerIdString, source: Source, target?: string): void {
    if (this.#stopping.signal.aborted || !this.#list.add(peer, source, target)) return;
    if (source === 'bootstrap') this.#components.peer.routing.anchor(peer);
    // A peer that was just mentioned may be back. The hash table mentions a dead one for a quarter of an hour.
    const hurry = source === 'dht' ? 'rumour' : source !== 'cache';
    this.#supervisor.add(peer, { keep: source === 'bootstrap', hurry });
  }

  readonly #onConnect = (peer: PeerIdString): void => {
    if (this.#list.isKnown(peer)) this.#supervisor.add(peer, { hurry: true });
  };

  readonly #onDisconnect = (peer: PeerIdString): void => {
    this.#list.lost(peer);
    this.#supervisor.lost(peer);
  };

  readonly #onLocal = (peer: PeerIdString): void => this.#consider(peer, 'local');

  readonly #onIdentify = (peer: PeerIdString, protocols: readonly string[]): void => {
    // Clients come and go, and keep no records.
    if (protocols.includes(kadProtocol(this.#components.peer.network))) this.#announcer.nudge();
    if (!protocols.includes(cardProtocol)) return;
    if (this.#collect) this.#consider(peer, 'connected');
    // For the next run: others need it no more than this node needs their cards.
    else if (protocols.includes(hopProtocol)) void this.#list.note(peer);
  };

  readonly #onAddresses = (): void => this.#announcer.refresh();

  async #recall(): Promise<void> {
    const cached = (await this.#cache?.load()) ?? [];
    for (const peer of cached) this.#list.recall(peer);
    const seedsFirst = cached.toSorted((a, b) => Number(isSeed(b.card)) - Number(isSeed(a.card)));
    for (const { peer, addrs } of seedsFirst.slice(0, maxRecalled)) {
      // For a peer without addresses libp2p asks the hash table for seconds, and a named address would wait for that.
      if (addrs.length === 0) continue;
      await this.#components.peer.learn(peer, addrs);
      this.#consider(peer, 'cache');
    }
  }

  #tick(): void {
    const now = performance.now();
    this.#list.tick();
    if (this.#components.peer.connected().length === 0) this.#names.tick();
    const { sweepMs = this.#components.peer.role === 'router' ? 30_000 : null, watch = [{}] } = this.#init;
    if (this.#collect && sweepMs !== null && now - this.#sweptAt >= sweepMs) {
      this.#sweptAt = now;
      for (const query of watch)
        void searchRouting(this.#field, query, anySignal(this.#stopping.signal, AbortSignal.timeout(sweepMs)));
    }
    if (now - this.#savedAt >= saveEveryMs) void this.#save();
  }

  async #save(): Promise<void> {
    if (this.#cache === null) return;
    this.#savedAt = performance.now();
    await this.#cache.save(await this.#list.cached(), this.#components.clock.now());
  }
}
