import { resolveTxt as resolveTxtByDns } from 'node:dns/promises';
import { messageOf } from '../../errors.ts';
import { raceSignal } from '../../lib/abort.ts';
import { type Monotonic, monotonicMs } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { targetPeer, usableAddress } from '../peer/addresses.ts';

/** Time between two lookups while this node has no connection, and how long one may take, in ms. */
const everyMs = 30_000;
const timeoutMs = 10_000;
/** Most addresses of one name, and names that a name may lead to, one after another. */
const maxAddresses = 16;
const maxDepth = 3;

export interface SeedNamesComponents {
  readonly logger: Logger;
  /** The texts of a name, each in pieces. @default by DNS */
  readonly resolveTxt?: ((name: string) => Promise<readonly (readonly string[])[]>) | undefined;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
}

/** The name in `/dnsaddr/<name>`, null for any other target. */
export function seedNameOf(target: string): string | null {
  return /^\/dnsaddr\/([A-Za-z0-9_.-]{1,253})$/.exec(target)?.[1] ?? null;
}

/** Looks up the peers that names stand for: the TXT records `dnsaddr=<multiaddr>` of `_dnsaddr.<name>`. */
export class SeedNames {
  readonly #components: SeedNamesComponents;
  readonly #names: readonly string[];
  readonly #onSeed: (target: string) => void;
  readonly #monotonic: Monotonic;
  readonly #stopping = new AbortController();
  #nextAt = Number.NEGATIVE_INFINITY;
  #isBusy = false;

  /** @param onSeed receives each multiaddr, which ends in `/p2p/<id>` */
  constructor(components: SeedNamesComponents, names: readonly string[], onSeed: (target: string) => void) {
    this.#components = components;
    this.#names = names;
    this.#onSeed = onSeed;
    this.#monotonic = components.monotonic ?? monotonicMs;
  }

  /** A lookup is running, or due as soon as `tick` is called. */
  isBusy(): boolean {
    return this.#isBusy || (this.#names.length > 0 && this.#nextAt === Number.NEGATIVE_INFINITY);
  }

  /** Looks the names up if it is time to. To be called while this node has no connection. Never throws. */
  tick(): void {
    const now = this.#monotonic();
    if (this.#isBusy || this.#names.length === 0 || now < this.#nextAt) return;
    this.#nextAt = now + everyMs;
    this.#isBusy = true;
    void Promise.all(this.#names.map((name) => this.#lookUp(name, maxDepth))).finally(() => {
      this.#isBusy = false;
    });
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #lookUp(name: string, depth: number): Promise<void> {
    const { resolveTxt = resolveTxtByDns, logger } = this.#components;
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(timeoutMs)]);
    try {
      const texts = await raceSignal(resolveTxt(`_dnsaddr.${name}`), signal);
      const found = texts
        .map((pieces) => pieces.join(''))
        .flatMap((text) => (text.startsWith('dnsaddr=') ? text.slice('dnsaddr='.length) : []))
        .slice(0, maxAddresses);
      for (const target of found) {
        const further = seedNameOf(target);
        if (further === null) this.#give(target);
        else if (depth > 1) await this.#lookUp(further, depth - 1);
      }
    } catch (error) {
      if (!this.#stopping.signal.aborted)
        logger.warn('a name of peers was not found', { name, reason: messageOf(error) });
    }
  }

  #give(target: string): void {
    try {
      targetPeer(target);
      if (usableAddress(target) !== null) this.#onSeed(target);
    } catch {
      // It names no peer.
    }
  }
}
