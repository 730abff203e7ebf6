import type { CID } from 'multiformats/cid';
import { anySignal } from '../../lib/abort.ts';
import { type Monotonic, monotonicMs } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Routing } from '../peer/routing.ts';

/** Time between two checks for something to announce, in ms. */
const tickMs = 250;
/** Shortest time between two announcements of the same keys, in ms. */
const calmMs = 5_000;
/** Time before a failed announcement is repeated, in ms: it doubles up to the last number while announcements fail. */
const retryMs = 1_000;
const maxRetryMs = 60_000;
/**
 * Each key has as many holders. With no more peers in the table, each of them is one for every key; in a larger network
 * the nodes that join or return are few of a key's holders, which the table's renewal reaches within minutes.
 */
const holders = 20;
/** How long the announcement of one key may take, in ms. */
const timeoutMs = 20_000;

export interface AnnouncerComponents {
  readonly routing: Pick<Routing, 'size' | 'announce' | 'withdraw'>;
  /** Whether this node has an address to announce: other nodes drop a record without one. */
  readonly isReachable: () => boolean;
  readonly logger: Logger;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
}

/**
 * Announces this node's keys in the distributed hash table: as soon as its routing table has a peer and the node an
 * address, and again when its addresses have changed; in a small network also when nodes joined or returned, which have
 * to hold each key, and in a large one when the table has doubled. Otherwise the table renews them itself.
 */
export class Announcer {
  readonly #components: AnnouncerComponents;
  #keys = new Map<string, CID>();
  #pending = new Set<string>();
  #knownSize = 0;
  #again = false;
  #fresh = false;
  /** When the last announcement ended, and how long the next one waits without news, in ms. */
  #lastAt = Number.NEGATIVE_INFINITY;
  #waitMs = retryMs;
  #timer: NodeJS.Timeout | null = null;
  #running: AbortController | null = null;

  constructor(components: AnnouncerComponents) {
    this.#components = components;
  }

  /** Announces `keys` from now on, and withdraws all others. */
  set(keys: readonly CID[]): void {
    const { routing, logger } = this.#components;
    const wanted = new Map(keys.map((key) => [key.toString(), key]));
    for (const [name, key] of this.#keys) {
      if (wanted.has(name)) continue;
      routing
        .withdraw(key)
        .catch((error: unknown) => logger.debug('a key was not withdrawn', { error: String(error) }));
    }
    for (const name of wanted.keys()) if (!this.#keys.has(name)) this.#pending.add(name);
    this.#fresh = true;
    this.#keys = wanted;
  }

  /** Announces all keys again soon: this node's addresses have changed. */
  refresh(): void {
    this.#pending = new Set(this.#keys.keys());
    this.#fresh = true;
  }

  /** A node connected that may have to hold our keys, and does not. */
  nudge(): void {
    this.#again = true;
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.#tick(), tickMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#running?.abort();
  }

  async #tick(): Promise<void> {
    const { routing, isReachable, monotonic = monotonicMs } = this.#components;
    const size = routing.size();
    if (this.#running !== null || this.#keys.size === 0 || size === 0 || !isReachable()) return;
    const quietMs = monotonic() - this.#lastAt;
    const isNews = size <= holders ? this.#again || size > this.#knownSize : size >= 2 * this.#knownSize;
    const isDue = quietMs >= calmMs && isNews;
    if (isDue) this.#pending = new Set(this.#keys.keys());
    if (this.#pending.size === 0 || !(isDue || this.#fresh || quietMs >= this.#waitMs)) return;
    this.#again = false;
    this.#fresh = false;
    this.#knownSize = size;
    this.#running = new AbortController();
    const { signal } = this.#running;
    const names = [...this.#pending];
    // A refresh during the announcement adds them again.
    this.#pending.clear();
    let hasFailed = false;
    for (const name of names) if (!(await this.#announce(name, signal))) hasFailed = true;
    this.#waitMs = hasFailed ? Math.min(2 * this.#waitMs, maxRetryMs) : retryMs;
    this.#lastAt = monotonic();
    this.#running = null;
  }

  /** False if that failed: a later tick tries again. */
  async #announce(name: string, signal: AbortSignal): Promise<boolean> {
    const key = this.#keys.get(name);
    try {
      // Each has its own time: a slow one must not keep the others from being announced.
      const limited = anySignal(signal, AbortSignal.timeout(timeoutMs));
      if (key !== undefined) await this.#components.routing.announce(key, { signal: limited });
      return true;
    } catch (error) {
      this.#pending.add(name);
      this.#components.logger.debug('a key was not announced', { error: String(error) });
      return false;
    }
  }
}
