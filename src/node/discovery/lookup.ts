import { anySignal, delay } from '../../lib/abort.ts';
import { takeAny } from '../../lib/chance.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import type { Claim } from '../peer/libp2p/claims.ts';
import type { Routing } from '../peer/routing.ts';
import type { LivePeer } from './live-peer.ts';
import { fits, keysOf, noProvider, notConnected, type Query } from './query.ts';

export interface FindOptions extends AbortOptions {
  /** Ends the search when it returns true. @default one peer is enough */
  readonly enough?: ((found: readonly LivePeer[]) => boolean) | undefined;
  /** How long to wait for more peers once there are enough, in ms. @default 150 */
  readonly graceMs?: number | undefined;
  /** Repeats the search until there are enough or the time is up. @default false: until one was found, or none twice */
  readonly patient?: boolean | undefined;
  /** Time after which the search returns what it found, in ms. @default 5_000 */
  readonly timeoutMs?: number | undefined;
}

/** What a search needs from its discovery. */
export interface Field {
  readonly network: string;
  readonly routing: Pick<Routing, 'isEnabled' | 'size' | 'providers'>;
  live(): readonly LivePeer[];
  consider(peer: PeerIdString): void;
  /** Attempts to reach a peer that run or are due. */
  pending(): number;
  /** No attempt to reach a peer is running, and the local network has had time to answer. */
  settled(): boolean;
  /** This node has no connection. */
  alone(): boolean;
  /** Some peers will be tried again. */
  hopeful(): boolean;
  lastError(): string | null;
  /** 0 … 1. */
  random(): number;
  /** @returns removes the listener */
  onChange(listener: () => void): () => void;
}

/** Time between two queries of the hash table, in ms: a node that just started may not be in it yet. */
const againMs = 700;
/** Time between two checks of state that sends no event, in ms. */
const pollMs = 20;
/** Bounds of one search, however many nodes announce what it looks for. */
export const searchLimits = {
  /** Live peers that match, beside enough of them, with which a search takes no more from the hash table. */
  fewMatches: 8,
  /** The same for a search that never has enough: a list of the network. A client has 100 connections. */
  maxMatches: 64,
  /** Attempts to reach peers at the same time while a search takes more. */
  maxPending: 8,
  /** Peers that it keeps to take later, of all nodes that named any. */
  maxNamed: 8_192,
} as const;
/** How long a connected node waits for its routing table before it asks the anchors alone, in ms. */
const tableMs = 1_500;

/**
 * The peers that match and can be reached now.
 * @throws QvacError E_NO_PROVIDER if no peer matches, E_NETWORK if this node has no connection
 * @throws the signal's reason if it aborts
 */
export async function lookUp(field: Field, query: Query, options: FindOptions = {}): Promise<readonly LivePeer[]> {
  const { signal, enough = (found) => found.length > 0, patient = false, graceMs = 150, timeoutMs = 5_000 } = options;
  const stop = new AbortController();
  const deadline = performance.now() + timeoutMs;
  const found = (): readonly LivePeer[] => field.live().filter((peer) => fits(peer, query));
  const wantsMore = (): boolean => {
    const matches = found();
    return matches.length < (enough(matches) ? searchLimits.fewMatches : searchLimits.maxMatches);
  };
  let searching = true;
  const ended = anySignal(stop.signal, AbortSignal.timeout(timeoutMs), signal);
  const search = (async () => {
    for (let failed = 0; !ended.aborted; ) {
      await searchRouting(field, query, ended, wantsMore);
      // An empty routing table says nothing about the network: its first peers may be slow to answer.
      if (field.routing.size() > 0 || !field.routing.isEnabled || field.alone()) failed++;
      if (!patient && (failed === 2 || found().length > 0)) break;
      await delay(againMs, ended).catch(() => undefined);
    }
    searching = false;
  })();
  try {
    let enoughSince: number | null = null;
    for (;;) {
      signal?.throwIfAborted();
      const now = performance.now();
      const matches = found();
      const exhausted = !searching && field.settled() && !(field.alone() && field.hopeful());
      if (enough(matches)) {
        enoughSince ??= now;
        if (exhausted || field.settled() || now - enoughSince >= graceMs) return matches;
      }
      if (exhausted || now >= deadline) {
        if (matches.length > 0) return matches;
        throw field.alone() ? notConnected(field.network, field.lastError()) : noProvider(query, field.network);
      }
      await change(field, signal);
    }
  } finally {
    stop.abort();
    await search;
  }
}

/**
 * Queries the distributed hash table, and has the peers that it names reached while more are wanted: a few at a time,
 * in an order that no node of the table chooses, as many of one node's as of another's. Never throws.
 * @param wantsMore @default fewer than `searchLimits.maxMatches` peers match
 */
export async function searchRouting(
  field: Field,
  query: Query,
  signal: AbortSignal,
  wantsMore = (): boolean => field.live().filter((peer) => fits(peer, query)).length < searchLimits.maxMatches,
): Promise<void> {
  const stop = new AbortController();
  const ended = anySignal(stop.signal, signal);
  try {
    if (!wantsMore()) return;
    await waitForTable(field, ended);
    const named = new Named(field.random);
    let searching = true;
    const sources = keysOf(query).map((key) => collect(field.routing.providers(key, { signal: ended }), named));
    const next = (): PeerIdString | null => (field.pending() < searchLimits.maxPending ? named.take() : null);
    // A query that failed has named what it has named.
    const searched = Promise.allSettled(sources).then(() => {
      searching = false;
    });
    while (!ended.aborted && (searching || named.size > 0) && wantsMore()) {
      for (let peer = next(); peer !== null; peer = next()) field.consider(peer);
      await change(field, ended);
    }
    stop.abort();
    await searched;
  } catch {
    // Aborted: the peers found so far count.
  } finally {
    stop.abort();
  }
}

/** Waits for the first peer of the routing table, until there is no hope of one or the signal aborts. */
async function waitForTable(field: Field, signal: AbortSignal): Promise<void> {
  const began = performance.now();
  while (field.routing.size() === 0 && !signal.aborted) {
    if (field.settled() && (field.alone() ? !field.hopeful() : performance.now() - began > tableMs)) return;
    await change(field, signal);
  }
}

async function collect(claims: AsyncIterable<Claim>, named: Named): Promise<void> {
  for await (const claim of claims) named.add(claim);
}

/** Peers that nodes of the hash table name. A node that names many, to hide the others, gains nothing by it. */
class Named {
  readonly #random: () => number;
  /** Peers that were not taken yet, by the node that names them. */
  readonly #lists = new Map<PeerIdString, PeerIdString[]>();
  readonly #taken = new Set<PeerIdString>();
  #size = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  get size(): number {
    return this.#size;
  }

  add({ peer, by }: Claim): void {
    if (this.#size >= searchLimits.maxNamed || this.#taken.has(peer)) return;
    const list = this.#lists.get(by) ?? [];
    list.push(peer);
    this.#lists.set(by, list);
    this.#size += 1;
  }

  /** Any peer that any node names, or null. */
  take(): PeerIdString | null {
    while (this.#size > 0) {
      const by = takeAny([...this.#lists.keys()], this.#random) as PeerIdString;
      const list = this.#lists.get(by) ?? [];
      const peer = takeAny(list, this.#random) as PeerIdString;
      this.#size -= 1;
      if (list.length === 0) this.#lists.delete(by);
      if (this.#taken.has(peer)) continue;
      this.#taken.add(peer);
      return peer;
    }
    return null;
  }
}

/** Resolves at the next change, or soon. */
function change(field: Field, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      forget();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, pollMs);
    const forget = field.onChange(done);
    signal?.addEventListener('abort', done, { once: true });
  });
}
