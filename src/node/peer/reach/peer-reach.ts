import type { EventEmitter } from 'node:events';
import type { Connection, IdentifyResult, PeerId } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { type Clock, systemClock } from '../../../lib/clock.ts';
import { ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import { dialBackProtocol } from '../../../protocol/constants.ts';
import type { Reach, ReachWay } from '../../home/reach.ts';
import type { FrameStream } from '../../streams/streams.ts';
import { isRelayed, targetPeer, withoutPeer } from '../addresses.ts';
import { RelayKeeper } from '../circuit/keeper.ts';
import { hopProtocol } from '../circuit/messages.ts';
import { dialAddress } from '../dial/dial-address.ts';
import { type Entrant, race } from '../dial/race.ts';
import { PortMapper } from '../forwarding/port-mapper.ts';
import type { QvacNode } from '../libp2p.ts';
import type { PeerEvents } from '../peer-events.ts';
import type { PunchPort } from '../punch/punch-port.ts';
import type { Puncher } from '../punch/puncher.ts';
import { announcedAddresses } from './announcement.ts';
import { reachTickMs } from './constants.ts';
import { askDialBack, DialBackServer } from './dial-back.ts';
import { ReachLog } from './reach-log.ts';
import { Reachability } from './reachability.ts';
import { RelaySearch, type RelaySearchComponents } from './relay-search.ts';

export interface PeerReachComponents {
  /** The node while it is started. */
  running(): QvacNode | null;
  open(peer: PeerIdString, protocol: string, options: AbortOptions): Promise<FrameStream>;
  /** An open connection to a peer, a direct one if there is one. */
  linkTo(peer: PeerId): Connection | null;
  rtt(peer: PeerIdString): number | null;
  readonly events: EventEmitter<PeerEvents>;
  readonly punchPort: PunchPort;
  readonly puncher: Puncher;
  readonly routing: RelaySearchComponents['routing'];
  addressesOf(peer: PeerIdString): Promise<readonly string[]>;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
}

export type ReachMode = 'auto' | 'direct' | 'relay';

export interface PeerReachInit {
  readonly peer: PeerIdString;
  /** Multiaddrs to announce instead of those that dial-backs confirm. */
  readonly announce: readonly string[];
  /** `auto` uses relays unless others dial this node, `direct` uses none, `relay` announces nothing else. */
  readonly mode: ReachMode;
  /** Relays to use first: multiaddrs with `/p2p`. */
  readonly relays: readonly string[];
  /** Peers of the configuration: if they are relays, they are used before others. */
  readonly named: readonly PeerIdString[];
  /** Whether it serves others: is to be reached, and answers queries of the hash table if it has a direct address. */
  readonly serves: boolean;
}

/** How others reach a node: finds it out, and says which addresses to announce. */
export class PeerReach {
  readonly #components: PeerReachComponents;
  readonly #init: PeerReachInit;
  readonly #log = new ReachLog();
  readonly #reachability: Reachability;
  readonly #server: DialBackServer;
  readonly #keeper: RelayKeeper;
  readonly #search: RelaySearch;
  readonly #mapper: PortMapper;
  /** Open connections to peers outside this network. */
  readonly #outside = new Set<string>();
  #announced = '';
  #lastWay: ReachWay = 'unknown';
  /** One change after another: the last one must win. */
  #telling: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;

  constructor(components: PeerReachComponents, init: PeerReachInit) {
    const { running, open, logger, clock = systemClock } = components;
    this.#components = components;
    this.#init = init;
    this.#server = new DialBackServer({ dial: (address, options) => dialAddress(running(), address, options), logger });
    this.#reachability = new Reachability({
      ask: async (peer, port, options) => askDialBack(await open(peer, dialBackProtocol, options), port, options),
      listening: () => this.#listening(),
      clock,
      logger,
    });
    this.#keeper = new RelayKeeper({
      linkTo: (peer) => this.#directLinkTo(peer),
      dial: (_peer, addrs, signal) =>
        race(
          addrs.map((address) => this.#entrant(address)),
          signal,
        ),
      clock,
      logger,
    });
    this.#search = new RelaySearch(components, (peer, addrs) => this.#keeper.add(peer, addrs));
    this.#mapper = new PortMapper({ logger }, (ports) => this.#reachability.setMapped(ports));
    this.#reachability.events.on('change', () => this.#update());
    this.#keeper.events.on('change', () => this.#update());
    for (const relay of init.relays) this.#keeper.add(targetPeer(relay), [relay], { isConfigured: true });
  }

  #directLinkTo(peer: PeerIdString): Connection | null {
    const link = this.#components.linkTo(peerIdFromString(peer));
    return link === null || isRelayed(link.remoteAddr) ? null : link;
  }

  #entrant(address: string): Entrant {
    const { running } = this.#components;
    return {
      startMs: 0,
      isRelayed: false,
      dial: (signal) => dialAddress(running(), multiaddr(address), { signal }),
    };
  }

  /** Whether this node has a reservation at a relay. */
  accepts(relay: PeerIdString): boolean {
    return this.#keeper.accepts(relay);
  }

  /** Serves the dial-backs that peers ask for. */
  serve(stream: FrameStream, connection: Connection): Promise<void> {
    return this.#server.serve(stream, connection);
  }

  /** Multiaddrs at which this node listens, with `/p2p/<own id>`. */
  listening(): readonly string[] {
    return this.#listening().map((address) => this.#named(address));
  }

  /** Multiaddrs to announce, with `/p2p/<own id>`. */
  announced(): readonly string[] {
    const { mode } = this.#init;
    return announcedAddresses({
      configured: this.#init.announce,
      confirmed: mode === 'relay' ? [] : this.#reachability.confirmed().map(({ address }) => address),
      relayed: this.#keeper.reservations().flatMap(({ addrs }) => addrs),
      listening: mode === 'relay' ? [] : this.#listening(),
      isOnline: this.#outside.size > 0,
    }).map((address) => this.#named(address));
  }

  value(): Reach {
    const reachability = this.#reachability;
    const { punchPort, puncher } = this.#components;
    return {
      ...this.#log.value,
      way: this.#way(),
      direct: reachability.confirmed(),
      failed: reachability.failed(),
      punches: { mapping: punchPort.mapping(), ...puncher.counts() },
      relays: this.#keeper.relays().map((relay) => ({ ...relay, rttMs: this.#components.rtt(relay.peer) })),
    };
  }

  #way(): ReachWay {
    const verdict = this.#reachability.verdict();
    if (this.#init.announce.length > 0 || (verdict === 'direct' && this.#init.mode !== 'relay')) return 'direct';
    if (this.#keeper.reservations().length > 0) return 'relayed';
    if (this.#outside.size > 0) return verdict === 'unreachable' ? 'none' : 'unknown';
    return (this.#components.running()?.getPeers().length ?? 0) > 0 ? 'local' : 'unknown';
  }

  /** Follows the connections of a node that is about to start. */
  follow(node: QvacNode): void {
    node.addEventListener('connection:open', ({ detail }) => this.#opened(detail));
    node.addEventListener('connection:close', ({ detail }) => this.#closed(node, detail));
    node.addEventListener('peer:identify', ({ detail }) => this.#identified(detail));
  }

  start(): void {
    this.#keeper.start();
    this.#update();
    this.#timer ??= setInterval(() => {
      this.#update();
      this.#reachability.tick();
      if (this.#keeper.lacksRelays()) this.#search.tick();
      if (this.#wantsMapping()) this.#mapper.tick(this.#privatePorts());
    }, reachTickMs);
    this.#timer.unref();
  }

  /** In bounded time. Never throws. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#search.stop();
    this.#reachability.stop();
    this.#keeper.stop();
    this.#outside.clear();
    this.#announced = '';
    await this.#mapper.stop();
  }

  #listening(): readonly string[] {
    return this.#components.running()?.services.internals.transportManager.getAddrs().map(withoutPeer) ?? [];
  }

  #named(address: string): string {
    const { peer } = this.#init;
    return address.endsWith(`/p2p/${peer}`) ? address : `${address}/p2p/${peer}`;
  }

  #opened(connection: Connection): void {
    const peer = connection.remotePeer.toString() as PeerIdString;
    if (isOutside(connection)) this.#outside.add(connection.id);
    // What arrives because this node dialled as well says nothing about others.
    if (!this.#components.puncher.isPunching(peer)) {
      this.#log.opened(connection);
      if (connection.direction === 'inbound' && !isRelayed(connection.remoteAddr)) this.#reachability.arrived(peer);
    }
    this.#update();
  }

  #closed(node: QvacNode, connection: Connection): void {
    if (this.#outside.delete(connection.id)) {
      this.#mapper.hurry();
      this.#reachability.doubt();
    }
    this.#components.punchPort.closed(connection);
    const others = node.getConnections(connection.remotePeer).filter(({ id }) => id !== connection.id);
    if (!others.some(({ remoteAddr }) => !isRelayed(remoteAddr))) {
      const peer = connection.remotePeer.toString() as PeerIdString;
      this.#reachability.removeHelper(peer);
      this.#keeper.disconnected(peer);
    }
    this.#update();
  }

  #identified(result: IdentifyResult): void {
    this.#log.identified(result);
    const { connection, protocols, peerId, observedAddr } = result;
    if (observedAddr !== undefined) this.#components.punchPort.observed(connection, observedAddr.toString());
    if (isRelayed(connection.remoteAddr)) return;
    const peer = peerId.toString() as PeerIdString;
    const outside = isOutside(connection);
    if (outside && protocols.includes(dialBackProtocol))
      this.#reachability.addHelper(peer, connection.remoteAddr.toString());
    // A relay on the local network helps only a node that must not be dialled itself.
    if (
      protocols.includes(hopProtocol) &&
      connection.direction === 'outbound' &&
      (outside || this.#init.mode === 'relay')
    )
      this.#keeper.add(peer, [`${withoutPeer(connection.remoteAddr)}/p2p/${peer}`], {
        isConfigured: this.#init.named.includes(peer),
      });
  }

  /** Tells other parts and peers if the announced addresses have changed. */
  #update(): void {
    const node = this.#components.running();
    if (node === null || node.status !== 'started') return;
    this.#keeper.want(this.#wantsRelays());
    const addrs = this.announced();
    const text = addrs.join(' ');
    const way = this.#way();
    const [isMoved, isNew] = [text !== this.#announced, way !== this.#lastWay];
    this.#announced = text;
    this.#lastWay = way;
    if (isMoved || isNew) this.#components.events.emit('reach', this.value());
    if (!isMoved) return;
    this.#components.events.emit('addresses', addrs);
    this.#telling = this.#telling
      .then(() => this.#tell(node, addrs))
      .catch((error: unknown) => this.#components.logger.debug('addresses not told', { error: String(error) }));
  }

  #wantsRelays(): boolean {
    const { mode, serves, announce } = this.#init;
    if (!serves || mode === 'direct') return false;
    if (mode === 'relay') return true;
    const verdict = this.#reachability.verdict();
    if (announce.length > 0 || verdict === 'direct') return false;
    // A machine with an address of the internet need not be behind a router.
    return verdict === 'unreachable' || !this.#listening().some(isPublic);
  }

  /** Whether the router in front of this node should forward its port. */
  #wantsMapping(): boolean {
    const { mode, serves, announce } = this.#init;
    return serves && mode !== 'relay' && announce.length === 0 && this.#outside.size > 0;
  }

  /** The TCP ports at which this node listens on a private IPv4 address. */
  #privatePorts(): readonly number[] {
    const ports = this.#listening().flatMap((address) => {
      const [, ip = '', port] = /^\/ip4\/([^/]+)\/tcp\/(\d+)$/.exec(address) ?? [];
      return kindOfIp(ip) === 'private' ? [Number(port)] : [];
    });
    return [...new Set(ports)];
  }

  /** Only a node with a direct address answers queries of the hash table: others would wait for it in vain. */
  async #tell(node: QvacNode, addrs: readonly string[]): Promise<void> {
    const own = addrs.map((address) => multiaddr(address));
    if (this.#init.serves)
      await node.services.dht?.setMode(own.some((address) => !isRelayed(address)) ? 'server' : 'client');
    await node.peerStore.patch(node.peerId, { multiaddrs: own });
  }
}

function isPublic(address: string): boolean {
  return kindOfIp(ipOfMultiaddr(address) ?? '') === 'public';
}

/** Whether a connection leads to a peer outside this machine and its networks. A host name counts as outside. */
function isOutside({ remoteAddr }: Pick<Connection, 'remoteAddr'>): boolean {
  const ip = ipOfMultiaddr(remoteAddr.toString());
  return ip === null ? !/^\/dns[46]?\/localhost\//.test(remoteAddr.toString()) : kindOfIp(ip) === 'public';
}
