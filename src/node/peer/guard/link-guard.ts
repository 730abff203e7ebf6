import type { ConnectionGater, MultiaddrConnection, PeerId, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface';
import { type YamuxMuxerInit, yamux } from '@libp2p/yamux';
import type { PeerIdString } from '../../../lib/types.ts';
import { usableAddress } from '../addresses.ts';
import { withEagerStreams } from '../libp2p/eager.ts';
import { sparseUpdates } from '../libp2p/sparse-updates.ts';
import type { Bans } from './bans.ts';
import { type IpLimits, IpPlaces } from './ip-places.ts';
import { anySends, isOnThisMachine, type NetworkWatch } from './network-watch.ts';

/** yamux's muxer, whose type its package does not export. */
type Muxer = StreamMuxer & { ping(): Promise<number> };

export interface LinkGuardComponents {
  readonly bans: Bans;
  /** Called after a peer was disconnected and banned for the streams it opened. @default nothing */
  readonly onFlood?: ((peer: PeerIdString) => void) | undefined;
  /** Whether the end of an idle connection to `peer` must be noticed soon. @default no */
  readonly isWatched?: ((peer: PeerIdString) => boolean) | undefined;
}

export interface LinkLimits extends IpLimits {
  /** Streams that a peer may open at once. @default 1000 */
  readonly streamBurst: number;
  /** Streams that a peer may open per second after that. @default 200 */
  readonly streamsPerSecond: number;
  /** Time between two probes of a connection with a stream, or to a peer that is watched, in ms. @default 2_000 */
  readonly probeEveryMs: number;
  /** The same of any other, if it is longer: the hash table leaves a node connected to hundreds. @default 10_000 */
  readonly probeIdleEveryMs: number;
  /** Time without a byte after which an unanswered probe ends the connection, in ms. @default 5_000 */
  readonly deadAfterMs: number;
}

const defaultLinkLimits: LinkLimits = {
  streamBurst: 1000,
  streamsPerSecond: 200,
  probeEveryMs: 2_000,
  probeIdleEveryMs: 10_000,
  deadAfterMs: 5_000,
  connectionsPerIp: Number.POSITIVE_INFINITY,
  handshakesPerIp: Number.POSITIVE_INFINITY,
};

/** Time between two checks of all connections, in ms. */
const tickMs = 250;
/** A connection that has left a probe unanswered for so long may be dead, in ms. */
const doubtAfterMs = 1_000;

/** A watched connection. */
interface Link {
  readonly peer: PeerIdString;
  readonly maConn: MultiaddrConnection;
  readonly muxer: Muxer;
  /** Streams that may still be opened: a token bucket. */
  allowance: number;
  /** Ticks since the last probe. Counted, not timed: a stall of this process must not end connections. */
  ticks: number;
  waiting: boolean;
  rttMs: number | null;
}

/**
 * Watches every connection below libp2p's protocols: probes it with the muxer's ping, which costs 12 bytes and no
 * stream, and disconnects a peer that opens streams too fast, whatever their protocol.
 */
export class LinkGuard {
  readonly #components: LinkGuardComponents;
  readonly #limits: LinkLimits;
  readonly #links = new Set<Link>();
  readonly #linksOf = new Map<PeerIdString, Set<Link>>();
  readonly #places: IpPlaces;
  readonly #linkOf = new WeakMap<StreamMuxer, Link>();
  #made: Muxer | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(components: LinkGuardComponents, limits: Partial<LinkLimits> = {}) {
    this.#components = components;
    this.#limits = { ...defaultLinkLimits, ...limits };
    this.#places = new IpPlaces(this.#limits);
  }

  /** The muxer for `createLibp2p`. */
  muxer(init: YamuxMuxerInit): () => StreamMuxerFactory {
    const factory = yamux(init)();
    const createStreamMuxer: StreamMuxerFactory['createStreamMuxer'] = (maConn) => {
      const muxer: Muxer = sparseUpdates(factory.createStreamMuxer(maConn));
      this.#made = withEagerStreams(muxer, () => !this.#isDoubtful(this.#linkOf.get(muxer)));
      return muxer;
    };
    return () => ({ ...factory, protocol: factory.protocol, createStreamMuxer });
  }

  /**
   * The gater for `createLibp2p`: refuses banned peers and addresses that have too many connections, and learns which
   * muxer belongs to which peer.
   * @param mayDial whether libp2p may dial a peer by itself. @default yes
   */
  gater(mayDial: (peer: PeerId) => boolean = () => true): ConnectionGater {
    const banned = (peer: PeerId): boolean => this.#components.bans.isBanned(peer.toString() as PeerIdString);
    // libp2p calls this in the same tick in which it created the muxer, and only this call names the peer.
    const upgraded = (peer: PeerId, maConn: MultiaddrConnection): boolean => {
      this.#places.shaken(maConn);
      const muxer = this.#made;
      this.#made = null;
      if (muxer !== null) this.#watch(peer.toString() as PeerIdString, maConn, muxer);
      return false;
    };
    return {
      denyDialPeer: (peer) => banned(peer) || !mayDial(peer),
      denyInboundConnection: (maConn) => !this.#places.take(maConn),
      denyInboundEncryptedConnection: banned,
      denyInboundUpgradedConnection: upgraded,
      denyOutboundUpgradedConnection: upgraded,
      // Drops addresses from others that this node cannot dial.
      filterMultiaddrForPeer: (_peer, address) => usableAddress(address.toString()) !== null,
    };
  }

  /** Round trip to `peer` as last measured, in ms, or null. Of several connections the quickest counts. */
  rtt(peer: PeerIdString): number | null {
    const all = [...(this.#linksOf.get(peer) ?? [])].flatMap(({ rttMs }) => rttMs ?? []);
    return all.length === 0 ? null : Math.min(...all);
  }

  /** How long `peer` has left a probe unanswered on every connection to it, in ms; 0 without a connection. */
  unansweredMs(peer: PeerIdString): number {
    const waits = [...(this.#linksOf.get(peer) ?? [])].map(({ waiting, ticks }) => (waiting ? ticks * tickMs : 0));
    return waits.length === 0 ? 0 : Math.min(...waits);
  }

  /** Watches this node's network while it waits for `peer`. Loopback is compared with loopback alone. */
  watchNetwork(peer: PeerIdString): NetworkWatch {
    const isLocal = [...(this.#linksOf.get(peer) ?? [])].some(({ maConn }) => isOnThisMachine(maConn));
    const comparable = (): readonly Link[] =>
      [...this.#links].filter(({ maConn }) => isOnThisMachine(maConn) === isLocal);
    const hasOthers = comparable().some((link) => link.peer !== peer && link.rttMs !== null);
    return {
      isCutOff: async () => {
        if (!hasOthers) return false;
        const links = comparable();
        const connections = links.map(({ maConn }) => maConn);
        return !(await anySends(connections, this.#limits.deadAfterMs, () => {
          for (const link of links) if (!link.waiting) this.#probe(link);
        }));
      },
    };
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), tickMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#links.clear();
    this.#linksOf.clear();
  }

  #watch(peer: PeerIdString, maConn: MultiaddrConnection, muxer: Muxer): void {
    const fresh = { allowance: this.#limits.streamBurst, ticks: 0, waiting: false, rttMs: null };
    const link: Link = { peer, maConn, muxer, ...fresh };
    this.#links.add(link);
    this.#linkOf.set(muxer, link);
    const links = this.#linksOf.get(peer) ?? new Set();
    this.#linksOf.set(peer, links.add(link));
    maConn.addEventListener('close', () => {
      this.#links.delete(link);
      links.delete(link);
      if (links.size === 0 && this.#linksOf.get(peer) === links) this.#linksOf.delete(peer);
    });
    maConn.addEventListener('message', () => {
      // A peer that sends is alive, even if its answers wait behind much data. On an idle connection a probe that
      // arrives is as good as an answer: so one of the two sides probes, not both.
      if (link.waiting || muxer.streams.length === 0) link.ticks = 0;
    });
    // Early streams are kept for the first listener, which must be libp2p.
    setImmediate(() => muxer.addEventListener('stream', () => this.#opened(link)));
    this.#probe(link);
  }

  #opened(link: Link): void {
    link.allowance -= 1;
    if (link.allowance >= 0) return;
    this.#components.bans.ban(link.peer);
    link.maConn.abort(new Error('streams opened too fast'));
    this.#components.onFlood?.(link.peer);
  }

  #probe(link: Link): void {
    link.waiting = true;
    link.ticks = 0;
    // Without a signal: yamux takes an answer to an aborted ping for a protocol violation.
    link.muxer.ping().then(
      (rtt) => {
        link.waiting = false;
        link.rttMs = rtt;
      },
      () => {
        link.waiting = false;
      },
    );
  }

  #tick(): void {
    const { streamBurst, streamsPerSecond, deadAfterMs } = this.#limits;
    for (const link of this.#links) {
      link.ticks += 1;
      link.allowance = Math.min(streamBurst, link.allowance + (streamsPerSecond * tickMs) / 1000);
      const quietMs = link.ticks * tickMs;
      if (link.waiting && quietMs >= deadAfterMs) link.maConn.abort(new Error('no answer to a probe'));
      else if (!link.waiting && quietMs >= this.#probeAfterMs(link)) this.#probe(link);
    }
  }

  #probeAfterMs({ peer, muxer }: Link): number {
    const { probeEveryMs, probeIdleEveryMs } = this.#limits;
    const isQuick = muxer.streams.length > 0 || this.#components.isWatched?.(peer) === true;
    return isQuick ? probeEveryMs : Math.max(probeEveryMs, probeIdleEveryMs);
  }
  /**
   * Whether the connection may be dead: a stream on it is then worth waiting for, and opened anew on another one. One
   * beside another that works is so until the other side has answered: it may have given it up (hole punching).
   */
  #isDoubtful(link: Link | undefined): boolean {
    if (link === undefined) return false;
    const isProven = ({ rttMs }: Link): boolean => rttMs !== null;
    const isQuiet = link.waiting && link.ticks * tickMs >= doubtAfterMs;
    return isQuiet || (!isProven(link) && [...(this.#linksOf.get(link.peer) ?? [])].some(isProven));
  }
}
