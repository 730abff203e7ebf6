import { anySignal, delay } from '../../lib/abort.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import type { Routing } from '../peer/routing.ts';
import type { LivePeer } from './live-peer.ts';
import { fits, keysOf, noProvider, notConnected, type Query } from './query.ts';

export interface FindOptions extends AbortOptions {
  /** Ends the search when it returns true. @default one peer is enough */
  readonly enough?: ((found: readonly LivePeer[]) => boolean) | undefined;
  /** How long to wait for more peers once there are enough, in ms. @default 150 */
  readonly graceMs?: number | undefined;
  /** Repeats the search until there are enough or the time is up. @default false: once more if none was found */
  readonly patient?: boolean | undefined;
  /** Time after which the search returns what it found, in ms. @default 5_000 */
  readonly timeoutMs?: number | undefined;
}

/** What a search needs from its discovery. */
export interface Field {
  readonly network: string;
  readonly routing: Routing;
  live(): readonly LivePeer[];
  consider(peer: PeerIdString): void;
  /** No attempt to reach a peer is running, and the local network has had time to answer. */
  settled(): boolean;
  /** This node has no connection. */
  alone(): boolean;
  /** Some peers will be tried again. */
  hopeful(): boolean;
  lastError(): string | null;
  /** @returns removes the listener */
  onChange(listener: () => void): () => void;
}

/** Time between two queries of the hash table, in ms: a node that just started may not be in it yet. */
const againMs = 700;
/** Time between two checks of state that sends no event, in ms. */
const pollMs = 20;
/** How long a connected node waits for its routing table before it searches without, in ms. */
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
  let searching = true;
  const ended = anySignal(stop.signal, AbortSignal.timeout(timeoutMs), signal);
  const search = (async () => {
    for (let round = 1; !ended.aborted; round++) {
      await searchRouting(field, query, ended);
      if (!patient && (round === 2 || found().length > 0)) break;
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

/** Queries the distributed hash table, and has the peers that it names reached. Never throws. */
export async function searchRouting(field: Field, query: Query, signal: AbortSignal): Promise<void> {
  try {
    const { routing } = field;
    const began = performance.now();
    while (routing.size() === 0) {
      if (signal.aborted) return;
      if (field.settled() && (field.alone() ? !field.hopeful() : performance.now() - began > tableMs)) return;
      await change(field, signal);
    }
    const sources = keysOf(query).map((key) => routing.providers(key, { signal }));
    await Promise.all(sources.map((source) => considerAll(field, source)));
  } catch {
    // Aborted, or the query failed: the peers found so far count.
  }
}

async function considerAll(field: Field, peers: AsyncIterable<PeerIdString>): Promise<void> {
  for await (const peer of peers) field.consider(peer);
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
