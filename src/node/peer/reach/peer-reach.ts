import type { EventEmitter } from 'node:events';
import type { Connection, IdentifyResult } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { type Clock, systemClock } from '../../../lib/clock.ts';
import { ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import { dialBackProtocol } from '../../../protocol/constants.ts';
import type { Reach, ReachWay } from '../../home/reach.ts';
import type { FrameStream } from '../../streams/streams.ts';
import { isRelayed, withoutPeer } from '../addresses.ts';
import { dialAddress } from '../dial/dial-address.ts';
import type { QvacNode } from '../libp2p.ts';
import type { PeerEvents } from '../peer-events.ts';
import { announcedAddresses } from './announcement.ts';
import { reachTickMs } from './constants.ts';
import { askDialBack, DialBackServer } from './dial-back.ts';
import { ReachLog } from './reach-log.ts';
import { Reachability } from './reachability.ts';

export interface PeerReachComponents {
  /** The node while it is started. */
  running(): QvacNode | null;
  open(peer: PeerIdString, protocol: string, options: AbortOptions): Promise<FrameStream>;
  readonly events: EventEmitter<PeerEvents>;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
}

export interface PeerReachInit {
  readonly peer: PeerIdString;
  /** Multiaddrs to announce instead of those that dial-backs confirm. */
  readonly announce: readonly string[];
  /** Whether it answers queries of the hash table once it has a direct address. */
  readonly mayServeTable: boolean;
}

/** How others reach a node: finds it out, and says which addresses to announce. */
export class PeerReach {
  readonly #components: PeerReachComponents;
  readonly #init: PeerReachInit;
  readonly #log = new ReachLog();
  readonly #reachability: Reachability;
  readonly #server: DialBackServer;
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
    this.#reachability.events.on('change', () => this.#update());
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
    return announcedAddresses({
      configured: this.#init.announce,
      confirmed: this.#reachability.confirmed().map(({ address }) => address),
      relayed: [],
      listening: this.#listening(),
      isOnline: this.#outside.size > 0,
    }).map((address) => this.#named(address));
  }

  value(): Reach {
    const reachability = this.#reachability;
    return { ...this.#log.value, way: this.#way(), direct: reachability.confirmed(), failed: reachability.failed() };
  }

  #way(): ReachWay {
    const verdict = this.#reachability.verdict();
    if (verdict === 'direct' || this.#init.announce.length > 0) return 'direct';
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
    this.#update();
    this.#timer ??= setInterval(() => {
      this.#update();
      this.#reachability.tick();
    }, reachTickMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#reachability.stop();
    this.#outside.clear();
    this.#announced = '';
  }

  #listening(): readonly string[] {
    return this.#components.running()?.services.internals.transportManager.getAddrs().map(withoutPeer) ?? [];
  }

  #named(address: string): string {
    const { peer } = this.#init;
    return address.endsWith(`/p2p/${peer}`) ? address : `${address}/p2p/${peer}`;
  }

  #opened(connection: Connection): void {
    this.#log.opened(connection);
    if (isOutside(connection)) this.#outside.add(connection.id);
    if (connection.direction === 'inbound' && !isRelayed(connection.remoteAddr))
      this.#reachability.arrived(connection.remotePeer.toString() as PeerIdString);
    this.#update();
  }

  #closed(node: QvacNode, connection: Connection): void {
    this.#outside.delete(connection.id);
    const others = node.getConnections(connection.remotePeer).filter(({ id }) => id !== connection.id);
    if (!others.some(({ remoteAddr }) => !isRelayed(remoteAddr)))
      this.#reachability.removeHelper(connection.remotePeer.toString() as PeerIdString);
    this.#update();
  }

  #identified(result: IdentifyResult): void {
    this.#log.identified(result);
    const { connection, protocols, peerId } = result;
    if (protocols.includes(dialBackProtocol) && isOutside(connection) && !isRelayed(connection.remoteAddr))
      this.#reachability.addHelper(peerId.toString() as PeerIdString, connection.remoteAddr.toString());
  }

  /** Tells other parts and peers if the announced addresses have changed. */
  #update(): void {
    const node = this.#components.running();
    if (node === null || node.status !== 'started') return;
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

  /** Only a node with a direct address answers queries of the hash table: others would wait for it in vain. */
  async #tell(node: QvacNode, addrs: readonly string[]): Promise<void> {
    const own = addrs.map((address) => multiaddr(address));
    if (this.#init.mayServeTable)
      await node.services.dht?.setMode(own.some((address) => !isRelayed(address)) ? 'server' : 'client');
    await node.peerStore.patch(node.peerId, { multiaddrs: own });
  }
}

/** Whether a connection leads to a peer outside this machine and its networks. A host name counts as outside. */
function isOutside({ remoteAddr }: Pick<Connection, 'remoteAddr'>): boolean {
  const ip = ipOfMultiaddr(remoteAddr.toString());
  return ip === null ? !/^\/dns[46]?\/localhost\//.test(remoteAddr.toString()) : kindOfIp(ip) === 'public';
}
