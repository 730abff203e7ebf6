import type { Connection } from '@libp2p/interface';
import type { Multiaddr } from '@multiformats/multiaddr';
import { multiaddr } from '@multiformats/multiaddr';
import { QvacError } from '../../../errors.ts';
import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { AbortOptions, PeerIdString } from '../../../lib/types.ts';
import { type FrameStream, readWithin } from '../../streams/streams.ts';
import { isRelayed } from '../addresses.ts';
import {
  askTimeoutMs,
  dialBackLingerMs,
  dialBackTimeoutMs,
  dialBackWindowMs,
  maxDialBackCounts,
  maxDialBacks,
  maxDialBacksPerIp,
  maxDialBacksPerPeer,
} from './constants.ts';

/** What a peer says about its attempt to dial this node back (protocol section 7.1). */
export interface DialledBack {
  /** The multiaddr that it dialled: this node's address as the peer sees it, with the port that was asked for. */
  readonly addr: string;
  readonly ok: boolean;
}

export interface DialBackComponents {
  /** Opens a new connection to this address, also if there is one already. */
  dial(address: Multiaddr, options: { readonly signal: AbortSignal }): Promise<Connection>;
  readonly logger: Logger;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
}

/**
 * Dials peers back that ask for it, so that they learn whether others reach them (protocol section 7.1). It dials the
 * address from which the asker is connected and no other, so nobody can send it to a third party.
 */
export class DialBackServer {
  readonly #components: DialBackComponents;
  readonly #perPeer: DialCounts;
  readonly #perIp: DialCounts;
  #running = 0;

  constructor(components: DialBackComponents) {
    this.#components = components;
    const { monotonic = monotonicMs } = components;
    this.#perPeer = new DialCounts(maxDialBacksPerPeer, monotonic);
    this.#perIp = new DialCounts(maxDialBacksPerIp, monotonic);
  }

  /** Answers the request on `stream`, which the other side opened on `connection`. @throws as `FrameStream` */
  async serve(stream: FrameStream, connection: Pick<Connection, 'remoteAddr' | 'remotePeer'>): Promise<void> {
    const request = await readWithin(stream, ['dial'], askTimeoutMs);
    if (request === null) return;
    const address = addressOf(connection.remoteAddr, request.port);
    const { peer } = stream.remote;
    if (address === null || !this.#admits(peer, connection.remoteAddr)) return stream.write({ t: 'busy' });
    this.#running += 1;
    let opened: Connection | null = null;
    try {
      opened = await this.#dial(multiaddr(`${address}/p2p/${peer}`));
    } finally {
      this.#running -= 1;
    }
    await stream.write({ t: 'dialled', addr: address, ok: opened !== null });
    if (opened !== null) closeLater(opened);
  }

  async #dial(address: Multiaddr): Promise<Connection | null> {
    try {
      return await this.#components.dial(address, { signal: AbortSignal.timeout(dialBackTimeoutMs) });
    } catch (error) {
      this.#components.logger.debug('a peer was not reached at its address', {
        address: address.toString(),
        error: String(error),
      });
      return null;
    }
  }

  #admits(peer: PeerIdString, remote: Multiaddr): boolean {
    const [host] = remote.getComponents();
    return this.#running < maxDialBacks && this.#perPeer.take(peer) && this.#perIp.take(host?.value ?? '');
  }
}

/** The address of a direct connection with `port` in place of its own; null if the connection is not direct TCP. */
function addressOf(remote: Multiaddr, port: number): string | null {
  if (isRelayed(remote)) return null;
  const [, host] = /^(\/(?:ip4|ip6|dns|dns4|dns6)\/[^/]+)\/tcp\/\d+(?:\/|$)/.exec(remote.toString()) ?? [];
  return host === undefined ? null : `${host}/tcp/${port}`;
}

/** Closes a connection that was opened only to prove that it can be. */
function closeLater(connection: Connection): void {
  setTimeout(() => {
    connection.close().catch((error: unknown) => connection.abort(error instanceof Error ? error : new Error('close')));
  }, dialBackLingerMs).unref();
}

/** Counts dials by name within a window of time. */
class DialCounts {
  readonly #most: number;
  readonly #monotonic: Monotonic;
  readonly #counts = new Map<string, { count: number; readonly since: number }>();

  constructor(most: number, monotonic: Monotonic) {
    this.#most = most;
    this.#monotonic = monotonic;
  }

  /** Counts one more. False if that is one too many. */
  take(name: string): boolean {
    const now = this.#monotonic();
    const known = this.#counts.get(name);
    if (known !== undefined && now - known.since < dialBackWindowMs) {
      if (known.count >= this.#most) return false;
      known.count += 1;
      return true;
    }
    this.#counts.delete(name);
    this.#counts.set(name, { count: 1, since: now });
    const [oldest] = this.#counts.keys();
    if (this.#counts.size > maxDialBackCounts && oldest !== undefined) this.#counts.delete(oldest);
    return true;
  }
}

/**
 * Asks the peer at the other end of `stream` to dial this node back at `port`.
 * @throws QvacError E_BUSY if it does not want to now, E_TRUNCATED; and as `FrameStream`
 */
export async function askDialBack(stream: FrameStream, port: number, options: AbortOptions = {}): Promise<DialledBack> {
  await stream.write({ t: 'dial', port }, options);
  const answer = await readWithin(stream, ['dialled', 'busy'], askTimeoutMs, options);
  await stream.close();
  if (answer === null) throw new QvacError('E_TRUNCATED', 'a peer closed the stream without dialling back');
  if (answer.t === 'busy') throw new QvacError('E_BUSY', 'a peer does not dial back now');
  return { addr: answer.addr, ok: answer.ok };
}
