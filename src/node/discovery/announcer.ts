import type { CID } from 'multiformats/cid';
import { anySignal } from '../../lib/abort.ts';
import type { Logger } from '../../lib/log.ts';
import type { Routing } from '../peer/routing.ts';

/** Time between two checks for something to announce, in ms. */
const tickMs = 250;
/** Shortest time between two announcements of the same keys, in ms. */
const calmMs = 5_000;
/** Shortest time before a failed announcement is repeated, in ms. */
const retryMs = 1_000;
/** How long one announcement may take, in ms. */
const timeoutMs = 20_000;

/**
 * Announces this node's keys in the distributed hash table: as soon as its routing table has a peer, and again when
 * nodes joined that may be closer to a key, or returned and may have lost it. Otherwise the table renews them itself.
 */
export class Announcer {
  readonly #routing: Routing;
  readonly #logger: Logger;
  #keys = new Map<string, CID>();
  #pending = new Set<string>();
  #knownSize = 0;
  #again = false;
  #fresh = false;
  #lastAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #running: AbortController | null = null;

  constructor(routing: Routing, logger: Logger) {
    this.#routing = routing;
    this.#logger = logger;
  }

  /** Announces `keys` from now on, and withdraws all others. */
  set(keys: readonly CID[]): void {
    const wanted = new Map(keys.map((key) => [key.toString(), key]));
    for (const [name, key] of this.#keys) {
      if (wanted.has(name)) continue;
      this.#routing
        .withdraw(key)
        .catch((error: unknown) => this.#logger.debug('a key was not withdrawn', { error: String(error) }));
    }
    for (const name of wanted.keys()) if (!this.#keys.has(name)) this.#pending.add(name);
    this.#fresh = true;
    this.#keys = wanted;
  }

  /** A node connected that may not know our keys. */
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
    const size = this.#routing.size();
    if (this.#running !== null || this.#keys.size === 0 || size === 0) return;
    const quietMs = performance.now() - this.#lastAt;
    if (quietMs < retryMs && !this.#fresh) return;
    if (quietMs >= calmMs && (this.#again || size > this.#knownSize)) this.#pending = new Set(this.#keys.keys());
    if (this.#pending.size === 0) return;
    this.#again = false;
    this.#fresh = false;
    this.#knownSize = size;
    this.#lastAt = performance.now();
    this.#running = new AbortController();
    const signal = anySignal(this.#running.signal, AbortSignal.timeout(timeoutMs));
    for (const name of [...this.#pending]) await this.#announce(name, signal);
    this.#running = null;
  }

  async #announce(name: string, signal: AbortSignal): Promise<void> {
    const key = this.#keys.get(name);
    try {
      if (key !== undefined) await this.#routing.announce(key, { signal });
      this.#pending.delete(name);
    } catch (error) {
      // It stays pending: the next tick tries again.
      this.#logger.debug('a key was not announced', { error: String(error) });
    }
  }
}
