import { EventEmitter, once } from 'node:events';
import type { Connection, PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import type { Multiaddr } from '@multiformats/multiaddr';
import { type Logger, silentLogger } from '../../lib/log.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import type { SigningKey } from '../../proofs/signing.ts';
import { dialBackProtocol } from '../../protocol/constants.ts';
import { kadProtocol, mdnsTag } from '../../protocol/discovery-keys.ts';
import type { Reach } from '../home/reach.ts';
import type { FrameStream } from '../streams/streams.ts';
import { AddressBook } from './address-book.ts';
import { parseAddress } from './addresses.ts';
import { dialAddress } from './dial/dial-address.ts';
import { Dialler, type OpenOptions } from './dial/dialler.ts';
import { IncognitoDials } from './dial/incognito.ts';
import { introduce } from './dial/introduce.ts';
import { Bans } from './guard/bans.ts';
import { IdleLinks } from './guard/idle-links.ts';
import { LinkGuard } from './guard/link-guard.ts';
import type { NetworkWatch } from './guard/network-watch.ts';
import { Anchors } from './libp2p/anchors.ts';
import { refillTable } from './libp2p/table-refill.ts';
import {
  connectionLimits,
  createNode,
  ipLimits,
  muxerInit,
  type PeerRole,
  type QvacNode,
  startNode,
  stopNode,
} from './libp2p.ts';
import { LocalDiscovery } from './multicast/local-discovery.ts';
import type { HandleOptions, Peer, PeerComponents, PeerInit } from './peer.ts';
import { type PeerEvents, relayEvents } from './peer-events.ts';
import { PunchPort } from './punch/punch-port.ts';
import { Puncher } from './punch/puncher.ts';
import { SpareCircuits } from './punch/spare-circuits.ts';
import { PeerReach } from './reach/peer-reach.ts';
import { createRouting, type Routing } from './routing.ts';
import { ServedProtocols } from './served-protocols.ts';

/** How long closing a connection may take, in ms. */
const closeTimeoutMs = 1_000;
/** Time between two looks for connections that are no longer needed, and for an empty routing table, in ms. */
const spareTickMs = 1_000;

class LibP2PPeer implements Peer {
  readonly id: PeerIdString;
  readonly key: SigningKey;
  readonly role: PeerRole;
  readonly network: string;
  readonly mdns: boolean;
  readonly events = new EventEmitter<PeerEvents>();
  readonly routing: Routing;
  readonly #anchors = new Anchors();
  readonly #init: PeerInit;
  readonly #logger: Logger;
  readonly #bans: Bans;
  readonly #guard: LinkGuard;
  readonly #protocols: ServedProtocols;
  readonly #dialler: Dialler;
  /** Null unless this node is incognito. */
  readonly #incognito: IncognitoDials | null;
  readonly #addresses: AddressBook;
  readonly #reach: PeerReach;
  readonly #punchPort = new PunchPort();
  readonly #puncher: Puncher;
  readonly #spareCircuits: SpareCircuits;
  readonly #idleLinks: IdleLinks;
  #timer: NodeJS.Timeout | null = null;
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
    this.#guard = new LinkGuard(
      {
        bans: this.#bans,
        onFlood: (peer) => this.#logger.warn('disconnected a peer that opens streams too fast', { peer }),
        isWatched: (peer) => this.#idleLinks.isKept(peer),
      },
      { ...ipLimits(init.role), ...init.limits },
    );
    this.#protocols = new ServedProtocols({ logger: this.#logger, onBadFrame: (peer) => this.#blame(peer) });
    this.#addresses = new AddressBook(() => this.#node, this.#logger);
    const incognito = init.incognito === true ? new IncognitoDials(new Set(init.named)) : null;
    this.#incognito = incognito;
    this.#dialler = new Dialler({
      running: () => this.#node,
      addressesOf: (peer) => this.#addresses.toDial(peer),
      dial: (address, options) => this.#dialAddress(address, options),
      isBanned: (peer) => this.#bans.isBanned(peer),
      choose: incognito === null ? undefined : (peer, addresses) => incognito.choose(peer, addresses),
      refusal: incognito === null ? undefined : (connection, protocol) => incognito.refusal(connection, protocol),
    });
    this.#puncher = new Puncher({ port: this.#punchPort, logger: this.#logger, monotonic: components.monotonic });
    this.#spareCircuits = new SpareCircuits(components.monotonic);
    this.#idleLinks = new IdleLinks(
      {
        tagsOf: (peer) => this.#tagsOf(peer),
        isRelay: (peer) => this.#reach.accepts(peer),
        monotonic: components.monotonic,
      },
      connectionLimits[init.role].maxConnections,
    );
    this.#reach = new PeerReach(
      {
        running: () => this.#node,
        open: (peer, protocol, options) => this.open(peer, protocol, options),
        linkTo: (peer) => this.#dialler.linkTo(peer),
        rtt: (peer) => this.rtt(peer),
        routing: { size: () => this.routing.size(), providers: (key, options) => this.routing.providers(key, options) },
        addressesOf: (peer) => this.addrsOf(peer),
        events: this.events,
        punchPort: this.#punchPort,
        puncher: this.#puncher,
        logger: this.#logger,
        clock: components.clock,
      },
      {
        peer: this.id,
        announce: init.announce ?? [],
        mode: init.reach ?? 'auto',
        relays: init.relays ?? [],
        named: init.named ?? [],
        serves: init.role !== 'client',
      },
    );
    void this.#protocols.handleRaw(dialBackProtocol, (stream, connection) => this.#reach.serve(stream, connection));
    this.#local = this.mdns ? this.#createLocal() : null;
    this.routing = createRouting(() => this.#node, this.#anchors, init.kademlia ?? true);
    this.events.setMaxListeners(0);
  }

  #createLocal(): LocalDiscovery {
    return new LocalDiscovery(this.#logger, {
      peer: this.id,
      service: mdnsTag(this.network),
      // A client serves nothing.
      answers: this.role !== 'client',
      addrs: () => this.listening(),
      onPeer: (peer, addrs) => {
        this.#addresses.learnLocal(peer, addrs);
        this.events.emit('local', peer);
      },
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
    return this.#node === null ? [] : this.#reach.announced();
  }

  listening(): readonly string[] {
    return this.#reach.listening();
  }

  connected(): readonly PeerIdString[] {
    return this.#node?.getPeers().map((peer) => peer.toString() as PeerIdString) ?? [];
  }

  reach(): Reach {
    return this.#reach.value();
  }

  async reachKnown(signal: AbortSignal): Promise<void> {
    while (this.#reach.value().way === 'unknown' && !signal.aborted)
      await once(this.events, 'reach', { signal }).catch(() => undefined);
  }

  rtt(peer: PeerIdString): number | null {
    return this.#guard.rtt(peer);
  }

  unansweredMs(peer: PeerIdString): number {
    return this.#guard.unansweredMs(peer);
  }

  watchNetwork(peer: PeerIdString): NetworkWatch {
    return this.#guard.watchNetwork(peer);
  }

  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { key, role, network, listen = [], announce = [], kademlia = true } = this.#init;
    for (const address of [...listen, ...announce]) parseAddress(address, 'E_CONFIG');
    const node = await createNode({
      privateKey: key.privateKey,
      role,
      listen,
      network,
      kademlia,
      muxer: this.#guard.muxer(muxerInit),
      gater: this.#guard.gater((peer) => this.#incognito?.allows(peer) ?? true),
      announced: () => this.addrs(),
      punchPort: this.#punchPort,
      acceptsCircuits: (relay) => this.#reach.accepts(relay),
      anchors: this.#anchors,
    });
    relayEvents(node, this.events);
    this.#reach.follow(node);
    node.addEventListener('connection:open', ({ detail: connection }) => {
      introduce(node, connection, { beside: this.#dialler.isOpening(connection.remotePeer), logger: this.#logger });
    });
    this.#node = node;
    await this.#protocols.attach(node);
    // A direct connection shows the address of each side to the other.
    if (this.#init.incognito !== true && this.#init.reach !== 'relay') await this.#puncher.attach(node);
    for (const extension of this.#init.extensions ?? []) await extension.attach(node);
    this.#guard.start();
    try {
      await startNode(node, listen);
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#reach.start();
    this.#local?.start();
    this.#timer = setInterval(() => {
      this.#spareCircuits.tick(node.getConnections());
      void this.#idleLinks.tick(node.getConnections());
      void refillTable(node, kadProtocol(network));
    }, spareTickMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    const node = this.#node;
    this.#node = null;
    this.#starting = null;
    this.#protocols.detach();
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#guard.stop();
    this.#puncher.stop();
    await this.#reach.stop();
    for (const extension of this.#init.extensions ?? []) extension.detach();
    await this.#local?.stop();
    if (node !== null) await stopNode(node, this.#logger);
  }

  handle(
    protocol: string,
    handler: (stream: FrameStream) => Promise<void>,
    options: HandleOptions = {},
  ): Promise<void> {
    return this.#protocols.handle(protocol, handler, options);
  }

  #blame(peer: PeerIdString): void {
    if (!this.#bans.badFrame(peer)) return;
    this.#logger.warn('banned a peer that breaks the protocol', { peer });
    void this.disconnect(peer);
  }

  open(target: PeerIdString | string, protocol: string, options: OpenOptions = {}): Promise<FrameStream> {
    return this.#dialler.open(target, protocol, options);
  }

  connect(target: PeerIdString | string, options: AbortOptions = {}): Promise<PeerIdString> {
    return this.#dialler.connect(target, options);
  }

  async #dialAddress(address: Multiaddr, options: { readonly signal: AbortSignal }): Promise<Connection> {
    const connection = await dialAddress(this.#node, address, options);
    void this.learn(connection.remotePeer.toString() as PeerIdString, [address.toString()]);
    return connection;
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

  keep(peer: PeerIdString, isKept: boolean): void {
    this.#idleLinks.keep(peer, isKept);
  }

  async #tagsOf(peer: PeerId): Promise<readonly string[]> {
    const known = await this.#node?.peerStore.get(peer).catch(() => null);
    return [...(known?.tags.keys() ?? [])];
  }

  learn(peer: PeerIdString, addrs: readonly string[]): Promise<void> {
    return this.#addresses.learn(peer, addrs);
  }

  addrsOf(peer: PeerIdString): Promise<readonly string[]> {
    return this.#addresses.of(peer);
  }
}

/** A node that is not started. Nothing leaves the machine before `start`. */
export function createPeer(components: PeerComponents, init: PeerInit): Peer {
  return new LibP2PPeer(components, init);
}
