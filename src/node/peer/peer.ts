import { EventEmitter } from 'node:events';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Monotonic } from '../../lib/clock.ts';
import { type Logger, silentLogger } from '../../lib/log.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import type { SigningKey } from '../../proofs/signing.ts';
import { mdnsTag } from '../../protocol/discovery-keys.ts';
import type { Identity } from '../home/identity.ts';
import type { Reach } from '../home/reach.ts';
import { frameStream, serveStream } from '../streams/serve-stream.ts';
import type { FrameStream } from '../streams/streams.ts';
import { AddressBook } from './address-book.ts';
import { parseAddress } from './addresses.ts';
import { type BanLimits, Bans } from './bans.ts';
import { Dialler } from './dialler.ts';
import { introduce } from './introduce.ts';
import { createNode, maxStreams, muxerInit, type PeerRole, type QvacNode, startNode, stopNode } from './libp2p.ts';
import { LinkGuard, type LinkLimits } from './link-guard.ts';
import { LocalDiscovery } from './multicast/local-discovery.ts';
import { type PeerEvents, relayEvents } from './peer-events.ts';
import { ReachLog } from './reach-log.ts';
import { createRouting, type Routing } from './routing.ts';
import { withPlaces } from './stream-places.ts';

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
  /** Addresses that others can dial, with `/p2p/<id>`. */
  addrs(): readonly string[];
  /** The peers with an open connection. */
  connected(): readonly PeerIdString[];
  /** How others reach this node, as far as the connections of this run show. */
  reach(): Reach;
  /** Round trip to a connected peer in ms, or null. */
  rtt(peer: PeerIdString): number | null;
  /** How long a connected peer has left every probe of its connections unanswered, in ms; 0 if it answers. */
  unansweredMs(peer: PeerIdString): number;
  /** @throws QvacError E_PORT_IN_USE, E_CONFIG if it cannot listen */
  start(): Promise<void>;
  /** Closes all connections, in bounded time. */
  stop(): Promise<void>;
  /** Serves `protocol`; may be called before `start`. An error in `handler` resets that stream alone. */
  handle(protocol: string, handler: (stream: FrameStream) => Promise<void>, options?: HandleOptions): Promise<void>;
  /**
   * Opens a stream; dials if needed. `target` is a peer id or a multiaddr with `/p2p/<id>`.
   * @throws QvacError E_NETWORK with the reason in one line
   */
  open(target: PeerIdString | string, protocol: string, options?: AbortOptions): Promise<FrameStream>;
  /** Ensures an open connection. Targets and errors as for `open`. */
  connect(target: PeerIdString | string, options?: AbortOptions): Promise<PeerIdString>;
  /** Closes all connections to a peer. Never throws. */
  disconnect(peer: PeerIdString): Promise<void>;
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
  readonly logger?: Logger | undefined;
}

export interface PeerInit {
  readonly role: PeerRole;
  readonly key: Identity;
  /** Multiaddrs to listen at. @default none: a node that only dials */
  readonly listen?: readonly string[] | undefined;
  /** Network name (protocol section 7). */
  readonly network: string;
  /** Discovers nodes of the local network by multicast. @default false */
  readonly mdns?: boolean | undefined;
  /** Takes part in the distributed hash table. @default true */
  readonly kademlia?: boolean | undefined;
  readonly limits?: Partial<LinkLimits & BanLimits> | undefined;
}

/** How long closing a connection may take, in ms. */
const closeTimeoutMs = 1_000;

/** A node that is not started. Nothing leaves the machine before `start`. */
export function createPeer(components: PeerComponents, init: PeerInit): Peer {
  return new LibP2PPeer(components, init);
}

interface Handler {
  readonly run: (stream: FrameStream) => Promise<void>;
  readonly options: HandleOptions;
}

class LibP2PPeer implements Peer {
  readonly id: PeerIdString;
  readonly key: SigningKey;
  readonly role: PeerRole;
  readonly network: string;
  readonly mdns: boolean;
  readonly events = new EventEmitter<PeerEvents>();
  readonly routing: Routing;
  readonly #init: PeerInit;
  readonly #logger: Logger;
  readonly #bans: Bans;
  readonly #guard: LinkGuard;
  readonly #reach = new ReachLog();
  readonly #handlers = new Map<string, Handler>();
  readonly #dialler = new Dialler(() => this.#node);
  readonly #addresses: AddressBook;
  readonly #local: LocalDiscovery | null;
  /** The last address at which another node used this node's key. */
  #twin: string | null = null;
  #node: QvacNode | null = null;
  #starting: Promise<void> | null = null;

  constructor(components: PeerComponents, init: PeerInit) {
    this.#init = init;
    this.#logger = components.logger ?? silentLogger;
    this.id = init.key.peer;
    this.key = init.key.signingKey;
    this.role = init.role;
    this.network = init.network;
    this.mdns = init.mdns ?? false;
    this.#bans = new Bans(init.limits, components.monotonic);
    this.#guard = new LinkGuard(this.#bans, init.limits, (peer) =>
      this.#logger.warn('disconnected a peer that opens streams too fast', { peer }),
    );
    this.#addresses = new AddressBook(() => this.#node, this.#logger);
    this.#local = this.mdns ? this.#createLocal() : null;
    this.routing = createRouting(() => this.#node);
    this.events.setMaxListeners(0);
  }

  #createLocal(): LocalDiscovery {
    return new LocalDiscovery(this.#logger, {
      peer: this.id,
      service: mdnsTag(this.network),
      // A client serves nothing.
      answers: this.role !== 'client',
      addrs: () => this.addrs(),
      onPeer: (peer, addrs) => void this.learn(peer, addrs).then(() => this.events.emit('local', peer)),
      onTwin: (address) => this.#noticeTwin(address),
    });
  }

  #noticeTwin(address: string): void {
    if (this.#twin === address) return;
    this.#twin = address;
    this.#logger.warn('another node uses the key of this node: give each its own, or peers will confuse them', {
      peer: this.id,
      address,
    });
  }

  addrs(): readonly string[] {
    return this.#node?.getMultiaddrs().map(String) ?? [];
  }

  connected(): readonly PeerIdString[] {
    return this.#node?.getPeers().map((peer) => peer.toString() as PeerIdString) ?? [];
  }

  reach(): Reach {
    return this.#reach.value;
  }

  rtt(peer: PeerIdString): number | null {
    return this.#guard.rtt(peer);
  }

  unansweredMs(peer: PeerIdString): number {
    return this.#guard.unansweredMs(peer);
  }

  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { key, role, network, listen = [], kademlia = true } = this.#init;
    for (const address of listen) parseAddress(address, 'E_CONFIG');
    const node = await createNode({
      privateKey: key.privateKey,
      role,
      listen,
      network,
      kademlia,
      muxer: this.#guard.muxer(muxerInit),
      gater: this.#guard.gater(),
    });
    relayEvents(node, this.events);
    node.addEventListener('peer:identify', ({ detail }) => this.#reach.identified(detail));
    node.addEventListener('connection:open', ({ detail: connection }) => {
      this.#reach.opened(connection);
      introduce(node, connection, { beside: this.#dialler.isOpening(connection.remotePeer), logger: this.#logger });
    });
    this.#node = node;
    for (const [protocol, handler] of this.#handlers) await this.#register(node, protocol, handler);
    this.#guard.start();
    try {
      await startNode(node, listen);
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#local?.start();
  }

  async stop(): Promise<void> {
    const node = this.#node;
    this.#node = null;
    this.#starting = null;
    this.#guard.stop();
    await this.#local?.stop();
    if (node !== null) await stopNode(node, this.#logger);
  }

  async handle(
    protocol: string,
    handler: (stream: FrameStream) => Promise<void>,
    options: HandleOptions = {},
  ): Promise<void> {
    const entry = { run: handler, options };
    this.#handlers.set(protocol, entry);
    if (this.#node !== null) await this.#register(this.#node, protocol, entry);
  }

  #register(node: QvacNode, protocol: string, handler: Handler): Promise<void> {
    const { maxInboundStreams = 32 } = handler.options;
    const hooks = { logger: this.#logger, onBadFrame: (peer: PeerIdString) => this.#blame(peer) };
    const run = withPlaces(handler.run, maxInboundStreams);
    return node.handle(
      protocol,
      (stream, connection) => serveStream(frameStream(stream, connection.remotePeer), protocol, run, hooks),
      { maxInboundStreams: maxStreams, maxOutboundStreams: maxStreams, force: true },
    );
  }

  #blame(peer: PeerIdString): void {
    if (!this.#bans.badFrame(peer)) return;
    this.#logger.warn('banned a peer that breaks the protocol', { peer });
    void this.disconnect(peer);
  }

  open(target: PeerIdString | string, protocol: string, options: AbortOptions = {}): Promise<FrameStream> {
    return this.#dialler.open(target, protocol, options);
  }

  connect(target: PeerIdString | string, options: AbortOptions = {}): Promise<PeerIdString> {
    return this.#dialler.connect(target, options);
  }

  async disconnect(peer: PeerIdString): Promise<void> {
    const connections = this.#node?.getConnections(peerIdFromString(peer)) ?? [];
    await Promise.all(
      connections.map((connection) =>
        connection
          .close({ signal: AbortSignal.timeout(closeTimeoutMs) })
          .catch((error: unknown) => connection.abort(error instanceof Error ? error : new Error('closing'))),
      ),
    );
  }

  learn(peer: PeerIdString, addrs: readonly string[]): Promise<void> {
    return this.#addresses.learn(peer, addrs);
  }

  addrsOf(peer: PeerIdString): Promise<readonly string[]> {
    return this.#addresses.of(peer);
  }
}
