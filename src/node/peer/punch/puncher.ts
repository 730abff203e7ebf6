import type { Connection, PeerId, Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { messageOf, toError } from '../../../errors.ts';
import { anySignal, delay } from '../../../lib/abort.ts';
import { type Monotonic, monotonicMs } from '../../../lib/clock.ts';
import { systemCode } from '../../../lib/files.ts';
import { ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';
import type { Logger } from '../../../lib/log.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import { isRelayed, usableDirectAddress } from '../addresses.ts';
import { RawMessageError } from '../libp2p/protobuf.ts';
import { readMessage, sendMessage } from '../libp2p/wire.ts';
import type { QvacNode } from '../libp2p.ts';
import {
  maxPunchAddrs,
  maxPunches,
  maxPunchTimes,
  minPunchGapMs,
  punchAfterMs,
  punchHandshakeMs,
  punchMessageMs,
  punchRounds,
  punchWindowMs,
} from './constants.ts';
import { decodePunch, encodePunch, type PunchMessage, punchProtocol, punchType } from './messages.ts';
import type { PunchOptions, PunchPort } from './punch-port.ts';
import { retryWaits } from './retry-waits.ts';

export interface PuncherComponents {
  readonly port: PunchPort;
  readonly logger: Logger;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
  /** 0 … 1. @default Math.random */
  readonly random?: (() => number) | undefined;
}

/** Peers that came through a relay in this run: to how many this node tried to connect directly, and did. */
export interface PunchCounts {
  readonly tried: number;
  readonly succeeded: number;
}

/**
 * Opens direct connections beside those through relays, through the routers of both sides: each connects to the
 * other's outside address at the same time, so that each router takes the other's packets for answers.
 */
export class Puncher {
  readonly #components: PuncherComponents;
  readonly #monotonic: Monotonic;
  readonly #running = new Set<PeerIdString>();
  /** When the last attempt for a peer began, the newest last. */
  readonly #times = new Map<PeerIdString, number>();
  readonly #counts = { tried: 0, succeeded: 0 };
  #node: QvacNode | null = null;
  #stopping = new AbortController();

  constructor(components: PuncherComponents) {
    this.#components = components;
    this.#monotonic = components.monotonic ?? monotonicMs;
  }

  counts(): PunchCounts {
    return { ...this.#counts };
  }

  /** Whether an attempt for this peer is under way: a connection of it is then no sign that others reach this node. */
  isPunching(peer: PeerIdString): boolean {
    return this.#running.has(peer);
  }

  /** Before the node starts. */
  async attach(node: QvacNode): Promise<void> {
    this.#node = node;
    await node.handle(punchProtocol, (stream, connection) => this.#respond(stream, connection), {
      maxInboundStreams: 1,
      maxOutboundStreams: 1,
      runOnLimitedConnection: true,
    });
    node.addEventListener('connection:open', ({ detail }) => {
      // The side that was dialled begins (specification of dcutr).
      if (detail.direction === 'inbound' && isRelayed(detail.remoteAddr))
        setTimeout(() => void this.#begin(detail), punchAfterMs).unref();
    });
  }

  stop(): void {
    this.#node = null;
    this.#stopping.abort();
    this.#stopping = new AbortController();
  }

  async #begin(relayed: Connection): Promise<void> {
    const { port, logger } = this.#components;
    const peer = relayed.remotePeer.toString() as PeerIdString;
    if (port.address() === null || this.#directTo(relayed.remotePeer) !== null || !this.#admit(peer)) return;
    this.#counts.tried += 1;
    try {
      for (let round = 1; round <= punchRounds && relayed.status === 'open'; round++) {
        try {
          const connection = await this.#invite(relayed);
          this.#counts.succeeded += connection === null ? 0 : 1;
          logger.debug(connection === null ? 'a peer cannot be connected to directly' : 'connected directly', { peer });
          return;
        } catch (error) {
          logger.debug('not connected directly', { peer, round, error: messageOf(error) });
        }
      }
    } finally {
      this.#running.delete(peer);
    }
  }

  /** One round of the side that was dialled. Null if the other side has no outside address of its own. */
  async #invite(relayed: Connection): Promise<Connection | null> {
    const signal = anySignal(this.#stopping.signal, AbortSignal.timeout(punchMessageMs));
    const stream = await relayed.newStream(punchProtocol, { signal, runOnLimitedConnection: true });
    try {
      const began = this.#monotonic();
      sendMessage(stream, encodePunch(this.#ownAddress()));
      const { addrs } = await receive(stream, punchType.connect, signal);
      const roundTripMs = this.#monotonic() - began;
      const targets = targetsOf(addrs);
      if (targets.length === 0) return null;
      sendMessage(stream, encodePunch({ type: punchType.sync, addrs: [] }));
      // The message reaches the other side when half a round trip has passed.
      await delay(roundTripMs / 2, signal);
      return await this.#connect(relayed.remotePeer, targets, false);
    } finally {
      stream.abort(new Error('done'));
    }
  }

  /** The side that dialled. */
  async #respond(stream: Stream, relayed: Connection): Promise<void> {
    const peer = relayed.remotePeer.toString() as PeerIdString;
    try {
      if (!isRelayed(relayed.remoteAddr)) throw new Error('this connection is direct');
      const signal = anySignal(this.#stopping.signal, AbortSignal.timeout(punchMessageMs));
      const { addrs } = await receive(stream, punchType.connect, signal);
      sendMessage(stream, encodePunch(this.#ownAddress()));
      await receive(stream, punchType.sync, signal);
      const targets = targetsOf(addrs);
      if (targets.length > 0 && this.#admit(peer, 0)) {
        try {
          await this.#connect(relayed.remotePeer, targets, true);
        } finally {
          this.#running.delete(peer);
        }
      }
      await stream.close({ signal: AbortSignal.timeout(punchMessageMs) });
    } catch (error) {
      this.#components.logger.debug('not connected directly', { peer, error: messageOf(error) });
      stream.abort(toError(error));
    }
  }

  #ownAddress(): PunchMessage {
    const address = this.#components.port.address();
    return { type: punchType.connect, addrs: address === null ? [] : [multiaddr(address).bytes] };
  }

  /** Counts an attempt. A peer can name any address, so it gets few. False: not now. */
  #admit(peer: PeerIdString, minGapMs = minPunchGapMs): boolean {
    const now = this.#monotonic();
    const last = this.#times.get(peer) ?? Number.NEGATIVE_INFINITY;
    if (this.#running.has(peer) || this.#running.size >= maxPunches || now - last < minGapMs) return false;
    this.#running.add(peer);
    this.#times.delete(peer);
    this.#times.set(peer, now);
    const [oldest] = this.#times.keys();
    if (this.#times.size > maxPunchTimes && oldest !== undefined) this.#times.delete(oldest);
    return true;
  }

  #directTo(peer: PeerId): Connection | null {
    const open = this.#node?.getConnections(peer) ?? [];
    return open.find(({ status, remoteAddr }) => status === 'open' && !isRelayed(remoteAddr)) ?? null;
  }

  /** Connects from this side while the other one does the same. @throws the last error of the last address */
  async #connect(peer: PeerId, targets: readonly string[], initiator: boolean): Promise<Connection> {
    const within = (ms: number): AbortSignal => anySignal(this.#stopping.signal, AbortSignal.timeout(ms));
    const init = {
      initiator,
      signal: within(punchWindowMs),
      handshakeSignal: within(punchWindowMs + punchHandshakeMs),
    };
    try {
      return await Promise.any(targets.map((target) => this.#knock(peer, target, init)));
    } catch (error) {
      throw error instanceof AggregateError ? toError(error.errors.at(-1)) : error;
    }
  }

  /** Connects to one address, again and again while its router answers that it knows nothing of this node. */
  async #knock(peer: PeerId, target: string, init: Omit<PunchOptions, 'upgrader'>): Promise<Connection> {
    const { port, random = Math.random } = this.#components;
    const waits = retryWaits(random);
    for (;;) {
      const there = this.#directTo(peer);
      if (there !== null) return there;
      if (this.#node === null) throw new Error('this node stops');
      try {
        const { upgrader } = this.#node.services.internals;
        return await port.punch(multiaddr(`${target}/p2p/${peer}`), { ...init, upgrader });
      } catch (error) {
        if (init.signal.aborted || !isRefusal(error)) throw error;
      }
      await delay(waits.next().value, init.signal);
    }
  }
}

/** @throws RawMessageError if a message of another type comes */
async function receive(stream: Stream, type: number, signal: AbortSignal): Promise<PunchMessage> {
  const message = decodePunch(await readMessage(stream, signal));
  if (message.type !== type) throw new RawMessageError(`a message of type ${message.type} instead of ${type}`);
  return message;
}

/** The addresses that this node connects to for a peer: public IPv4 and TCP, so that none is in its own network. */
function targetsOf(addrs: readonly Uint8Array[]): readonly string[] {
  return addrs
    .flatMap((bytes) => {
      try {
        return usableDirectAddress(multiaddr(bytes).toString())?.toString() ?? [];
      } catch {
        return [];
      }
    })
    .filter((address) => address.startsWith('/ip4/') && kindOfIp(ipOfMultiaddr(address) ?? '') === 'public')
    .slice(0, maxPunchAddrs);
}

function isRefusal(error: unknown): boolean {
  return ['ECONNREFUSED', 'ECONNRESET', 'EADDRINUSE', 'EADDRNOTAVAIL'].includes(systemCode(error) ?? '');
}
