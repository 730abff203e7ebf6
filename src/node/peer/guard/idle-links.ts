import type { Connection, PeerId } from '@libp2p/interface';
import { toError } from '../../../errors.ts';
import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import type { PeerIdString } from '../../../lib/types.ts';

/** Share of the most connections at which idle ones are closed, and the share that then stays. */
const highShare = 0.8;
const lowShare = 0.7;
/** Time without a stream after which a connection is idle, in ms. */
const idleMs = 10_000;

/** The hash table tags each peer of its table so; any other tag is a reason to keep a connection. */
const tableTag = 'kad-peer';

export interface IdleLinksComponents {
  /** Names of libp2p's tags for `peer`: a reservation, or one of the nearest nodes, which it would dial again. */
  readonly tagsOf: (peer: PeerId) => Promise<readonly string[]>;
  /** Whether `peer` is a relay through which others reach this node. */
  readonly isRelay: (peer: PeerIdString) => boolean;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
}

/**
 * Closes idle connections before there are as many as libp2p takes: at that number it refuses new ones, and closes
 * none. The hash table alone would fill a node: each query connects to dozens of nodes and leaves them connected.
 */
export class IdleLinks {
  readonly #components: IdleLinksComponents;
  readonly #maxConnections: number;
  readonly #monotonic: Monotonic;
  /** Since when each connection has had no stream, by its id. */
  readonly #since = new Map<string, number>();
  readonly #kept = new Set<PeerIdString>();

  constructor(components: IdleLinksComponents, maxConnections: number) {
    this.#components = components;
    this.#maxConnections = maxConnections;
    this.#monotonic = components.monotonic ?? monotonicMs;
  }

  /** Whether connections to `peer` stay open although they are idle. */
  keep(peer: PeerIdString, isKept: boolean): void {
    if (isKept) this.#kept.add(peer);
    else this.#kept.delete(peer);
  }

  /** Whether `peer` is kept, or a relay through which others reach this node. */
  isKept(peer: PeerIdString): boolean {
    return this.#kept.has(peer) || this.#components.isRelay(peer);
  }

  /** Closes those idle for longest if there are too many. @param all every connection of this node */
  async tick(all: readonly Connection[]): Promise<void> {
    const now = this.#monotonic();
    const open = all.filter(({ status }) => status === 'open');
    const streamless = open.filter(({ streams }) => streams.length === 0);
    const ids = new Set(streamless.map(({ id }) => id));
    for (const id of this.#since.keys()) if (!ids.has(id)) this.#since.delete(id);
    for (const id of ids) if (!this.#since.has(id)) this.#since.set(id, now);
    if (open.length < highShare * this.#maxConnections) return;
    let excess = open.length - Math.floor(lowShare * this.#maxConnections);
    const sinceOf = ({ id }: Connection): number => this.#since.get(id) ?? now;
    const idle = streamless.filter((each) => now - sinceOf(each) >= idleMs).sort((a, b) => sinceOf(a) - sinceOf(b));
    for (const connection of idle) {
      if (excess <= 0) return;
      if (await this.#isNeeded(connection.remotePeer)) continue;
      // A stream may have opened in the meantime.
      if (connection.streams.length > 0) continue;
      excess--;
      connection.close().catch((error: unknown) => connection.abort(toError(error)));
    }
  }

  async #isNeeded(peer: PeerId): Promise<boolean> {
    if (this.isKept(peer.toString() as PeerIdString)) return true;
    return (await this.#components.tagsOf(peer)).some((tag) => tag !== tableTag);
  }
}
