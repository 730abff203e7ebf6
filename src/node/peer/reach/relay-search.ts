import type { CID } from 'multiformats/cid';
import { messageOf } from '../../../errors.ts';
import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import { ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import { roleKey } from '../../../protocol/discovery-keys.ts';
import { maxRelayAddresses } from '../circuit/constants.ts';
import type { Claim } from '../libp2p/claims.ts';
import { maxRelaySearchEveryMs, relaySearchEveryMs, relaySearchMs } from './constants.ts';

export interface RelaySearchComponents {
  readonly routing: {
    size(): number;
    providers(key: CID, options?: AbortOptions): AsyncIterable<Pick<Claim, 'peer'>>;
  };
  /** Known multiaddrs of a peer without `/p2p`. */
  addressesOf(peer: PeerIdString): Promise<readonly string[]>;
  readonly logger: Logger;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
}

/** Looks for relays in the hash table. */
export class RelaySearch {
  readonly #components: RelaySearchComponents;
  readonly #onRelay: (peer: PeerIdString, addrs: readonly string[]) => void;
  readonly #monotonic: Monotonic;
  #nextAt = Number.NEGATIVE_INFINITY;
  #everyMs = relaySearchEveryMs;
  #tickedAt = Number.NEGATIVE_INFINITY;
  /** The relays that the last search found. */
  #found = new Set<PeerIdString>();
  #stopping = new AbortController();

  /** @param onRelay receives each relay with multiaddrs that end in its `/p2p` */
  constructor(components: RelaySearchComponents, onRelay: (peer: PeerIdString, addrs: readonly string[]) => void) {
    this.#components = components;
    this.#onRelay = onRelay;
    this.#monotonic = components.monotonic ?? monotonicMs;
  }

  /** Searches if it is time to. To be called now and then, while relays are missing. Never throws. */
  tick(): void {
    const now = this.#monotonic();
    // No relay was missing for a while.
    if (now - this.#tickedAt > relaySearchEveryMs) this.#begin();
    this.#tickedAt = now;
    if (now < this.#nextAt || this.#components.routing.size() === 0) return;
    this.#nextAt = Number.POSITIVE_INFINITY;
    void this.#search();
  }

  stop(): void {
    this.#stopping.abort();
    this.#stopping = new AbortController();
    this.#begin();
  }

  #begin(): void {
    this.#nextAt = Number.NEGATIVE_INFINITY;
    this.#everyMs = relaySearchEveryMs;
    this.#found = new Set();
  }

  async #search(): Promise<void> {
    const { routing, addressesOf, logger } = this.#components;
    const found = new Set<PeerIdString>();
    const stopping = this.#stopping.signal;
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(relaySearchMs)]);
    try {
      for await (const { peer } of routing.providers(roleKey('relay'), { signal })) {
        const addrs = (await addressesOf(peer)).filter(isPublicAndDirect).slice(0, maxRelayAddresses);
        if (addrs.length === 0 || found.has(peer)) continue;
        found.add(peer);
        this.#onRelay(
          peer,
          addrs.map((address) => `${address}/p2p/${peer}`),
        );
      }
    } catch (error) {
      if (!signal.aborted) logger.debug('the search for relays failed', { error: messageOf(error) });
    }
    if (stopping.aborted) return;
    const isNew = [...found].some((peer) => !this.#found.has(peer));
    this.#found = found;
    this.#everyMs = isNew ? relaySearchEveryMs : Math.min(2 * this.#everyMs, maxRelaySearchEveryMs);
    this.#nextAt = this.#monotonic() + this.#everyMs;
  }
}

function isPublicAndDirect(address: string): boolean {
  const ip = ipOfMultiaddr(address);
  return !address.includes('/p2p-circuit') && (ip === null || kindOfIp(ip) === 'public');
}
