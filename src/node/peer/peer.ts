import type { EventEmitter } from 'node:events';
import type { Clock, Monotonic } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import type { SigningKey } from '../../proofs/signing.ts';
import type { Identity } from '../home/identity.ts';
import type { Reach } from '../home/reach.ts';
import type { FrameStream } from '../streams/streams.ts';
import type { OpenOptions } from './dial/dialler.ts';
import type { BanLimits } from './guard/bans.ts';
import type { LinkLimits } from './guard/link-guard.ts';
import type { NetworkWatch } from './guard/network-watch.ts';
import type { PeerRole, QvacNode } from './libp2p.ts';
import type { PeerEvents } from './peer-events.ts';
import type { ReachMode } from './reach/peer-reach.ts';
import type { Routing } from './routing.ts';

/** One libp2p node. Long-lived: `start` and `stop` are idempotent. */
export interface Peer {
  readonly id: PeerIdString;
  readonly key: SigningKey;
  readonly role: PeerRole;
  /** Network name (protocol section 7). */
  readonly network: string;
  /** Whether it discovers nodes of the local network by multicast. */
  readonly mdns: boolean;
  readonly events: EventEmitter<PeerEvents>;
  /** The distributed hash table. Finds nothing if it is disabled. */
  readonly routing: Routing;
  /**
   * Multiaddrs that this node announces, with `/p2p/<id>`: those that work from the internet, or, as long as it sees no
   * peer outside its local network, those of `listening`.
   */
  addrs(): readonly string[];
  /** Multiaddrs at which this node listens, with `/p2p/<id>`. */
  listening(): readonly string[];
  /** The peers with an open connection. */
  connected(): readonly PeerIdString[];
  /** How others reach this node, as far as the connections of this run show. */
  reach(): Reach;
  /** Resolves once it is known how others reach this node, or the signal aborts. */
  reachKnown(signal: AbortSignal): Promise<void>;
  /** Round trip to a connected peer in ms, or null. */
  rtt(peer: PeerIdString): number | null;
  /** How long a connected peer has left every probe of its connections unanswered, in ms; 0 if it answers. */
  unansweredMs(peer: PeerIdString): number;
  /** Watches this node's own network while it waits for `peer`. */
  watchNetwork(peer: PeerIdString): NetworkWatch;
  /** @throws QvacError E_PORT_IN_USE, E_CONFIG if it cannot listen */
  start(): Promise<void>;
  /** Closes all connections, in bounded time. */
  stop(): Promise<void>;
  /** Serves `protocol`; may be called before `start`. An error in `handler` resets that stream alone. */
  handle(protocol: string, handler: (stream: FrameStream) => Promise<void>, options?: HandleOptions): Promise<void>;
  /**
   * Opens a stream; dials if needed. `target` is a peer id or a multiaddr with `/p2p/<id>`.
   * @param options `eager` saves a round trip: it does not wait until the other side agrees to the protocol. If that
   * does not, the first read or write throws what this call would have thrown.
   * @throws QvacError E_NETWORK with the reason in one line
   */
  open(target: PeerIdString | string, protocol: string, options?: OpenOptions): Promise<FrameStream>;
  /** Ensures an open connection. Targets and errors as for `open`. */
  connect(target: PeerIdString | string, options?: AbortOptions): Promise<PeerIdString>;
  /** Closes all connections to a peer. Never throws. */
  disconnect(peer: PeerIdString): Promise<void>;
  /** Whether idle connections to `peer` are probed often, and stay open when this node has too many. */
  keep(peer: PeerIdString, isKept: boolean): void;
  /** Keeps multiaddrs of `peer`, without malformed and unusable ones. */
  learn(peer: PeerIdString, addrs: readonly string[]): Promise<void>;
  /** Known multiaddrs of a peer without `/p2p`, those of open connections first. */
  addrsOf(peer: PeerIdString): Promise<readonly string[]>;
}

export interface HandleOptions {
  /** Open streams of this protocol per peer; further ones are answered `busy`. @default 32 */
  readonly maxInboundStreams?: number | undefined;
}

export interface PeerComponents {
  /** Times bans. @default performance.now */
  readonly monotonic?: Monotonic | undefined;
  /** @default the system's */
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

/** Something that serves on a node below the level of frames. */
export interface PeerExtension {
  /** Called before the node starts. */
  attach(node: QvacNode): Promise<void>;
  /** Called before the node stops. */
  detach(): void;
}

export interface PeerInit {
  readonly role: PeerRole;
  readonly key: Identity;
  /** Multiaddrs to listen at. @default none: a node that only dials */
  readonly listen?: readonly string[] | undefined;
  /** Multiaddrs to announce without a test. @default those at which peers have dialled this node back */
  readonly announce?: readonly string[] | undefined;
  /** How others are to reach it: see `ReachMode`. @default auto */
  readonly reach?: ReachMode | undefined;
  /** Relays to use, before those found on the network: multiaddrs with `/p2p`. @default none */
  readonly relays?: readonly string[] | undefined;
  /** Peers of the configuration: if they are relays, they are used before others. @default none */
  readonly named?: readonly PeerIdString[] | undefined;
  /** Shows its address to relays and to the peers of `named` alone: reaches others through relays. @default false */
  readonly incognito?: boolean | undefined;
  /** Network name (protocol section 7). */
  readonly network: string;
  /** Discovers nodes of the local network by multicast. @default false */
  readonly mdns?: boolean | undefined;
  /** Takes part in the distributed hash table. @default true */
  readonly kademlia?: boolean | undefined;
  readonly limits?: Partial<LinkLimits & BanLimits> | undefined;
  /** @default none */
  readonly extensions?: readonly PeerExtension[] | undefined;
}
