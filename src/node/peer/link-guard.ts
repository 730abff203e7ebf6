import type { ConnectionGater, MultiaddrConnection, PeerId, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface';
import { type YamuxMuxerInit, yamux } from '@libp2p/yamux';
import type { PeerIdString } from '../../lib/types.ts';
import { usableAddress } from './addresses.ts';
import type { Bans } from './bans.ts';

/** The parts of yamux's muxer that its package does not name. */
type Muxer = StreamMuxer & { ping(): Promise<number> };

export interface LinkLimits {
  /** Streams that a peer may open at once… @default 1000 */
  readonly streamBurst: number;
  /** …and per second from then on. @default 200 */
  readonly streamsPerSecond: number;
  /** How often a connection is probed, in ms. @default 2_000 */
  readonly probeEveryMs: number;
  /** A connection without an answer for this long is dead, in ms. @default 5_000 */
  readonly deadAfterMs: number;
}

const defaultLinkLimits: LinkLimits = {
  streamBurst: 1000,
  streamsPerSecond: 200,
  probeEveryMs: 2_000,
  deadAfterMs: 5_000,
};

/** Ticks between two looks at an outstanding probe, in ms. */
const tickMs = 250;

/** One connection under watch. */
interface Link {
  readonly peer: PeerIdString;
  readonly maConn: MultiaddrConnection;
  readonly muxer: Muxer;
  /** Streams that may still be opened, as a token bucket. */
  allowance: number;
  /** Ticks since the last probe was sent; counted, not timed, so that a stall of our own process blames nobody. */
  ticks: number;
  waiting: boolean;
}

/**
 * Watches every connection below libp2p's own protocols: probes it with the muxer's ping, which costs 12 bytes and no
 * stream, and cuts off a peer that opens streams faster than anyone needs, whatever their protocol.
 */
export class LinkGuard {
  readonly #bans: Bans;
  readonly #limits: LinkLimits;
  readonly #onFlood: (peer: PeerIdString) => void;
  readonly #links = new Set<Link>();
  readonly #rtt = new Map<PeerIdString, number>();
  #made: Muxer | null = null;
  #timer: NodeJS.Timeout | null = null;

  /** @param onFlood told after a peer was cut off and banned for the streams it opened */
  constructor(bans: Bans, limits: Partial<LinkLimits> = {}, onFlood: (peer: PeerIdString) => void = () => {}) {
    this.#bans = bans;
    this.#limits = { ...defaultLinkLimits, ...limits };
    this.#onFlood = onFlood;
  }

  /** The muxer for `createLibp2p`. */
  muxer(init: YamuxMuxerInit): () => StreamMuxerFactory {
    const factory = yamux(init)();
    const createStreamMuxer: StreamMuxerFactory['createStreamMuxer'] = (maConn) =>
      (this.#made = factory.createStreamMuxer(maConn));
    return () => ({ ...factory, protocol: factory.protocol, createStreamMuxer });
  }

  /** The gater for `createLibp2p`: refuses the banned and learns whose muxer is whose. */
  gater(): ConnectionGater {
    const banned = (peer: PeerId): boolean => this.#bans.isBanned(peer.toString() as PeerIdString);
    // libp2p asks this in the same tick in which it made the muxer, and is the only one to know the peer.
    const upgraded = (peer: PeerId, maConn: MultiaddrConnection): boolean => {
      const muxer = this.#made;
      this.#made = null;
      if (muxer !== null) this.#watch(peer.toString() as PeerIdString, maConn, muxer);
      return false;
    };
    return {
      denyDialPeer: banned,
      denyInboundEncryptedConnection: banned,
      denyInboundUpgradedConnection: upgraded,
      denyOutboundUpgradedConnection: upgraded,
      // Of what others say of addresses, none that this node cannot dial or that only lead to further ones.
      filterMultiaddrForPeer: (_peer, address) => usableAddress(address.toString()) !== null,
    };
  }

  /** Round trip to `peer` as last measured, in ms, or null. */
  rtt(peer: PeerIdString): number | null {
    return this.#rtt.get(peer) ?? null;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), tickMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#links.clear();
    this.#rtt.clear();
  }

  #watch(peer: PeerIdString, maConn: MultiaddrConnection, muxer: Muxer): void {
    const link: Link = { peer, maConn, muxer, allowance: this.#limits.streamBurst, ticks: 0, waiting: false };
    this.#links.add(link);
    maConn.addEventListener('close', () => {
      this.#links.delete(link);
      if (![...this.#links].some((other) => other.peer === peer)) this.#rtt.delete(peer);
    });
    // Streams that come before libp2p itself listens are kept for the first listener, which must be libp2p.
    setImmediate(() => muxer.addEventListener('stream', () => this.#opened(link)));
    this.#probe(link);
  }

  #opened(link: Link): void {
    link.allowance -= 1;
    if (link.allowance >= 0) return;
    this.#bans.ban(link.peer);
    link.maConn.abort(new Error('streams opened too fast'));
    this.#onFlood(link.peer);
  }

  #probe(link: Link): void {
    link.waiting = true;
    link.ticks = 0;
    // Never given a signal: yamux takes an answer that comes after the question was dropped for a breach.
    link.muxer.ping().then(
      (rtt) => {
        link.waiting = false;
        this.#rtt.set(link.peer, rtt);
      },
      () => {
        link.waiting = false;
      },
    );
  }

  #tick(): void {
    const { streamBurst, streamsPerSecond, probeEveryMs, deadAfterMs } = this.#limits;
    for (const link of this.#links) {
      link.ticks += 1;
      link.allowance = Math.min(streamBurst, link.allowance + (streamsPerSecond * tickMs) / 1000);
      const quietMs = link.ticks * tickMs;
      if (link.waiting && quietMs >= deadAfterMs) link.maConn.abort(new Error('no answer to a probe'));
      else if (!link.waiting && quietMs >= probeEveryMs) this.#probe(link);
    }
  }
}
