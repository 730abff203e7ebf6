import { randomInt } from 'node:crypto';
import type { Connection, DialTransportOptions, Transport, Upgrader } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { systemCode } from '../../../lib/files.ts';
import { ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';
import { whileDialling } from '../dial/while-dialling.ts';
import { maxObservers, maxPunchPort, minPunchPort } from './constants.ts';

/**
 * How the router in front of this node maps its ports: `stable`, one outside port for all destinations, through which
 * peers can come; `random`, another port for each destination; `unknown`, no peer outside has seen a connection yet.
 */
export type PortMapping = 'stable' | 'random' | 'unknown';

export interface PunchOptions {
  /** Ends an attempt until it has a connection: from then on the other side may have completed the handshakes. */
  readonly signal: AbortSignal;
  /** Ends the handshakes over that connection. */
  readonly handshakeSignal: AbortSignal;
  readonly upgrader: Upgrader;
  /** Which side opens the handshakes: both sides dial, so one has to act as the side that was dialled. */
  readonly initiator: boolean;
}

/**
 * The local port from which this node dials public IPv4 addresses. A router that maps ports regardless of the
 * destination shows all of them one outside port, which this class learns from the peers at the other end.
 */
export class PunchPort {
  readonly #port: number;
  /** The connections that left from the port. */
  readonly #own = new WeakSet<Connection>();
  /** The outside address of each of them, as its peer sees it, by the connection's id; the newest last. */
  readonly #observed = new Map<string, string>();
  #dial: Transport['dial'] | null = null;

  /** @param port of this run. A fixed one would be blocked for a minute by the connections of the run before */
  constructor(port = randomInt(minPunchPort, maxPunchPort + 1)) {
    this.#port = port;
  }

  /** The TCP transport, dialling from this port if it can. */
  wrap<Components>(create: (components: Components) => Transport): (components: Components) => Transport {
    return (components) => {
      const transport = create(components);
      const dial = transport.dial.bind(transport);
      this.#dial = dial;
      transport.dial = (address, options) => this.#dialFrom(dial, address, options);
      return transport;
    };
  }

  async #dialFrom(dial: Transport['dial'], address: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    if (!isPublicIp4(address)) return dial(address, options);
    try {
      const connection = await dial(address, this.#from(options));
      this.#own.add(connection);
      return connection;
    } catch (error) {
      // Another connection from this port to this address exists, or has just ended.
      if (isPortTaken(error)) return dial(address, options);
      throw error;
    }
  }

  #from(options: DialTransportOptions): DialTransportOptions {
    return Object.assign({}, options, { localPort: this.#port });
  }

  /** Connects from the port alone. @throws the error of libp2p or of the system */
  async punch(address: Multiaddr, { signal, ...handshakes }: PunchOptions): Promise<Connection> {
    const dial = this.#dial;
    if (dial === null) throw new Error('no transport was made');
    return whileDialling(signal, (own, unfollow) =>
      dial(address, this.#from({ signal: own, upgrader: upgraderOf(handshakes, unfollow) })),
    );
  }

  /** A peer says from where it sees a connection. */
  observed(connection: Connection, address: string): void {
    const ip = ipOfMultiaddr(address);
    const [plain] = /^\/ip4\/[^/]+\/tcp\/[1-9]\d*/.exec(address) ?? [];
    if (!this.#own.has(connection) || plain === undefined || kindOfIp(ip ?? '') !== 'public') return;
    this.#observed.delete(connection.id);
    this.#observed.set(connection.id, plain);
    const [oldest] = this.#observed.keys();
    if (this.#observed.size > maxObservers && oldest !== undefined) this.#observed.delete(oldest);
  }

  closed(connection: Connection): void {
    this.#observed.delete(connection.id);
  }

  mapping(): PortMapping {
    if (this.#observed.size === 0) return 'unknown';
    return this.address() === null ? 'random' : 'stable';
  }

  /**
   * The outside address of the port: the one that most observers name. Null if there is none, or if several observers
   * name one each.
   */
  address(): string | null {
    const counts = new Map<string, number>();
    for (const address of this.#observed.values()) counts.set(address, (counts.get(address) ?? 0) + 1);
    const [best, ...others] = [...counts].toSorted(([, a], [, b]) => b - a);
    if (best === undefined) return null;
    const [address, count] = best;
    return count > 1 || others.length === 0 ? address : null;
  }
}

/** @param connected called before the handshakes */
function upgraderOf(
  { upgrader, handshakeSignal, initiator }: Omit<PunchOptions, 'signal'>,
  connected: () => void,
): Upgrader {
  const upgradeOutbound: Upgrader['upgradeOutbound'] = (maConn, options) => {
    connected();
    // Count as the side that was dialled: the muxer numbers its streams by that.
    if (!initiator) Object.assign(maConn, { direction: 'inbound' as const });
    return upgrader.upgradeOutbound(maConn, { ...options, signal: handshakeSignal, initiator });
  };
  return Object.create(upgrader, { upgradeOutbound: { value: upgradeOutbound } }) as Upgrader;
}

function isPublicIp4(address: Multiaddr): boolean {
  const text = address.toString();
  return text.startsWith('/ip4/') && kindOfIp(ipOfMultiaddr(text) ?? '') === 'public';
}

function isPortTaken(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'EADDRINUSE' || code === 'EADDRNOTAVAIL';
}
