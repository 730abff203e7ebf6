import type { MultiaddrConnection } from '@libp2p/interface';
import { customerOfIp, ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';
import { isRelayed } from '../addresses.ts';

export interface IpLimits {
  /** Connections that one public IP address may open to this node. @default no limit */
  readonly connectionsPerIp: number;
  /** Those of them whose handshake is not over. @default no limit */
  readonly handshakesPerIp: number;
}

interface Taken {
  connections: number;
  handshakes: number;
}

/**
 * Connections that others open, by their IP address. libp2p counts them in all: one stranger who opens as many as it
 * takes, or says nothing on them, would keep everybody else out. Addresses of this machine and of private networks may
 * stand for many (a proxy, a container's network), and have no limit.
 */
export class IpPlaces {
  readonly #limits: IpLimits;
  readonly #taken = new Map<string, Taken>();
  readonly #handshakes = new WeakMap<MultiaddrConnection, () => void>();

  constructor(limits: IpLimits) {
    this.#limits = limits;
  }

  /** Takes a place for a connection until it closes. False if there is none. */
  take(connection: MultiaddrConnection): boolean {
    const ip = ipOfMultiaddr(connection.remoteAddr.toString());
    if (ip === null || isRelayed(connection.remoteAddr) || kindOfIp(ip) !== 'public') return true;
    const customer = customerOfIp(ip);
    const taken = this.#taken.get(customer) ?? { connections: 0, handshakes: 0 };
    const { connectionsPerIp, handshakesPerIp } = this.#limits;
    if (taken.connections >= connectionsPerIp || taken.handshakes >= handshakesPerIp) return false;
    taken.connections += 1;
    taken.handshakes += 1;
    this.#taken.set(customer, taken);
    let isShaking = true;
    const shaken = (): void => {
      if (isShaking) taken.handshakes -= 1;
      isShaking = false;
    };
    this.#handshakes.set(connection, shaken);
    connection.addEventListener(
      'close',
      () => {
        shaken();
        taken.connections -= 1;
        if (taken.connections === 0) this.#taken.delete(customer);
      },
      { once: true },
    );
    return true;
  }

  /** The handshake of a connection is over. */
  shaken(connection: MultiaddrConnection): void {
    this.#handshakes.get(connection)?.();
  }
}
