import { EventEmitter } from 'node:events';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { type Logger, silentLogger } from '../../lib/log.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import type { SigningKey } from '../../proofs/signing.ts';
import type { Identity } from '../home/identity.ts';
import type { Reach } from '../home/reach.ts';
import { frameStream, serveStream } from '../streams/serve-stream.ts';
import type { FrameStream } from '../streams/streams.ts';
import { AddressBook } from './address-book.ts';
import { parseAddress } from './addresses.ts';
import { type BanLimits, Bans } from './bans.ts';
import { Dialler } from './dialler.ts';
import { introduce } from './introduce.ts';
import { createNode, maxStreams, muxerInit, type PeerRole, type QvacNode } from './libp2p.ts';
import { LinkGuard, type LinkLimits } from './link-guard.ts';
import { listenError } from './peer-errors.ts';
import { ReachLog } from './reach-log.ts';
import { createRouting, type Routing } from './routing.ts';
import { withPlaces } from './stream-places.ts';

/** What happens to a peer's connections, by peer id. */
export interface PeerEvents {
  /** The first connection to a peer opened. */
  connect: [peer: PeerIdString];
  /** The last connection to a peer closed. */
  disconnect: [peer: PeerIdString];
  /** A connected peer said which protocols it speaks. */
  identify: [peer: PeerIdString, protocols: readonly string[]];
  /** A node of our network was heard on the local network; its addresses are known now. */
  local: [peer: PeerIdString];
}

/** One libp2p node of ours. Long-lived: `start` and `stop` are idempotent. */
export interface Peer {
  readonly id: PeerIdString;
  readonly key: SigningKey;
  readonly role: PeerRole;
  /** Network name (protocol section 7). */
  readonly network: string;
  /** Whether nodes of the local network are found and told. */
  readonly mdns: boolean;
  readonly events: EventEmitter<PeerEvents>;
  /** The distributed hash table. Finds nobody where it is turned off. */
  readonly routing: Routing;
  /** Addresses that others can dial, with `/p2p/<id>`. */
  addrs(): readonly string[];
  /** The peers with an open connection. */
  connected(): readonly PeerIdString[];
  /** What this run's connections tell of how others reach this node. */
  reach(): Reach;
  /** Round trip to a connected peer in ms, or null. */
  rtt(peer: PeerIdString): number | null;
  /** @throws QvacError E_PORT_IN_USE, E_CONFIG where it cannot listen */
  start(): Promise<void>;
  /** Ends all connections, in bounded time. */
  stop(): Promise<void>;
  /** Answers `protocol`, also before `start`. A throw in `handler` resets that stream only. */
  handle(protocol: string, handler: (stream: FrameStream) => Promise<void>, options?: HandleOptions): Promise<void>;
  /**
   * Opens a stream, dialling where needed. `target` is a peer id or a multiaddr with `/p2p/<id>`.
   * @throws QvacError E_NETWORK with one line that says why
   */
  open(target: PeerIdString | string, protocol: string, options?: AbortOptions): Promise<FrameStream>;
  /** Makes sure that a connection is open. Targets and errors as of `open`. */
  connect(target: PeerIdString | string, options?: AbortOptions): Promise<PeerIdString>;
  /** Closes all connections to a peer. Never throws. */
  disconnect(peer: PeerIdString): Promise<void>;
  /** Remembers multiaddrs under which `peer` may be dialled. Those that are malformed or of no use are left out. */
  learn(peer: PeerIdString, addrs: readonly string[]): Promise<void>;
  /** Addresses known of a peer, without `/p2p`, those that worked last first. */
  addrsOf(peer: PeerIdString): Promise<readonly string[]>;
}

export interface HandleOptions {
  /** Streams of this protocol that one peer may have open; those beyond are told `busy`. @default 32 */
  readonly maxInboundStreams?: number | undefined;
}

export interface PeerComponents {
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

export interface PeerInit {
  readonly role: PeerRole;
  readonly key: Identity;
  /** Multiaddrs to listen at. @default none: a node that only dials */
  readonly listen?: readonly string[] | undefined;
  /** Protocol section 7. */
  readonly network: string;
  /** Finds nodes of the local network. @default false */
  readonly mdns?: boolean | undefined;
  /** Takes part in the distributed hash table. @default true */
  readonly kademlia?: boolean | undefined;
  readonly limits?: Partial<LinkLimits & BanLimits> | undefined;
}

/** How long closing a connection may take, in ms. */
const closeTimeoutMs = 1_000;
/** How long `stop` may take, in ms. */
const stopTimeoutMs = 3_000;

/** A node that is not started yet. Nothing leaves the machine before `start`. */
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
    this.#bans = new Bans(components.clock ?? systemClock, init.limits);
    this.#guard = new LinkGuard(this.#bans, init.limits, (peer) =>
      this.#logger.warn('cut off a peer that opens streams too fast', { peer }),
    );
    this.#addresses = new AddressBook(() => this.#node, this.#logger);
    this.routing = createRouting(() => this.#node);
    this.events.setMaxListeners(0);
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
      mdns: this.mdns,
      muxer: this.#guard.muxer(muxerInit),
      gater: this.#guard.gater(),
      onLocalPeer: (found) => {
        const peer = found.id.toString() as PeerIdString;
        void this.learn(peer, found.multiaddrs.map(String)).then(() => this.events.emit('local', peer));
      },
    });
    node.addEventListener('peer:connect', (event) =>
      this.events.emit('connect', event.detail.toString() as PeerIdString),
    );
    node.addEventListener('peer:disconnect', (event) =>
      this.events.emit('disconnect', event.detail.toString() as PeerIdString),
    );
    node.addEventListener('peer:identify', (event) =>
      this.events.emit('identify', event.detail.peerId.toString() as PeerIdString, event.detail.protocols),
    );
    node.addEventListener('peer:identify', (event) => this.#reach.identified(event.detail));
    node.addEventListener('connection:open', (event) => this.#reach.opened(event.detail));
    node.addEventListener('connection:open', ({ detail: connection }) =>
      introduce(node, connection, { beside: this.#dialler.isOpening(connection.remotePeer), logger: this.#logger }),
    );
    this.#node = node;
    for (const [protocol, handler] of this.#handlers) await this.#register(node, protocol, handler);
    this.#guard.start();
    try {
      await node.start();
    } catch (error) {
      await this.stop();
      throw listenError(error, listen);
    }
  }

  async stop(): Promise<void> {
    const node = this.#node;
    this.#node = null;
    this.#starting = null;
    this.#guard.stop();
    if (node === null) return;
    const stopped = Promise.resolve(node.stop()).catch((error: unknown) =>
      this.#logger.debug('stopping', { error: String(error) }),
    );
    const late = setTimeout(() => {
      for (const connection of node.getConnections()) connection.abort(new Error('stopping'));
    }, stopTimeoutMs / 2);
    await Promise.race([stopped, new Promise((resolve) => setTimeout(resolve, stopTimeoutMs).unref())]);
    clearTimeout(late);
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
