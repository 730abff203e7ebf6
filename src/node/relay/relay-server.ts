import { EventEmitter } from 'node:events';
import type { Connection, PeerId, Stream } from '@libp2p/interface';
import { peerIdFromMultihash } from '@libp2p/peer-id';
import type { Multiaddr } from '@multiformats/multiaddr';
import { decode as decodeMultihash } from 'multiformats/hashes/digest';
import { toError } from '../../errors.ts';
import { type Clock, type Monotonic, monotonicMs } from '../../lib/clock.ts';
import { customerOfIp, ipOfMultiaddr } from '../../lib/ip-kind.ts';
import type { Logger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { RelayStats } from '../home/activity.ts';
import { isRelayed } from '../peer/addresses.ts';
import { maxRelayAddresses, messageTimeoutMs } from '../peer/circuit/constants.ts';
import {
  type CircuitStatus,
  circuitStatus,
  decodeHop,
  decodeStop,
  encodeHop,
  encodeStop,
  hopProtocol,
  type ReservationMessage,
  stopProtocol,
} from '../peer/circuit/messages.ts';
import { RawMessageError } from '../peer/libp2p/protobuf.ts';
import { readMessage, sendMessage } from '../peer/libp2p/wire.ts';
import type { QvacNode } from '../peer/libp2p.ts';
import type { PeerExtension } from '../peer/peer.ts';
import { type Circuit, type CircuitRefusal, Circuits } from './circuits.ts';
import {
  acceptTimeoutMs,
  defaultRelayLimits,
  maxPendingRequests,
  type RelayLimits,
  reservationTagValue,
  sweepMs,
} from './constants.ts';
import { type Pipe, pipe } from './pipe.ts';
import { type ReservationRefusal, Reservations } from './reservations.ts';
import { Tally } from './tally.ts';

export interface RelayServerComponents {
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default performance.now */
  readonly monotonic?: Monotonic | undefined;
}

export interface RelayServerInit {
  readonly limits?: Partial<RelayLimits> | undefined;
  /** Peers that may reserve. @default every peer */
  readonly allowed?: readonly PeerIdString[] | undefined;
}

export type RelayEvent =
  | { readonly event: 'reserved' | 'released'; readonly peer: PeerIdString }
  | { readonly event: 'refused'; readonly peer: PeerIdString; readonly why: RelayRefusal };

export type RelayRefusal = ReservationRefusal | CircuitRefusal | 'no-reservation' | 'not-reached' | 'relayed';

/** A blind relay on a node: it forwards the encrypted bytes of others, and reads none of them. */
export interface RelayServer extends PeerExtension {
  readonly events: EventEmitter<{ event: [RelayEvent] }>;
  stats(): RelayStats;
}

export function createRelayServer(components: RelayServerComponents, init: RelayServerInit = {}): RelayServer {
  return new CircuitRelay(components, init);
}

interface OpenCircuit {
  readonly circuit: Circuit;
  readonly pipe: Pipe;
}

class CircuitRelay implements RelayServer {
  readonly events: RelayServer['events'] = new EventEmitter();
  readonly #components: RelayServerComponents;
  readonly #limits: RelayLimits;
  readonly #monotonic: Monotonic;
  readonly #reservations: Reservations;
  readonly #circuits: Circuits;
  readonly #open = new Set<OpenCircuit>();
  readonly #pending = new Tally();
  readonly #refused: Record<string, number> = {};
  #node: QvacNode | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(components: RelayServerComponents, init: RelayServerInit) {
    this.#components = components;
    this.#limits = { ...defaultRelayLimits, ...init.limits };
    this.#monotonic = components.monotonic ?? monotonicMs;
    this.#reservations = new Reservations(this.#limits, new Set(init.allowed), this.#monotonic);
    this.#circuits = new Circuits(this.#limits, this.#monotonic);
  }

  stats(): RelayStats {
    return {
      reservations: this.#reservations.size,
      circuits: this.#circuits.size,
      bytes: this.#circuits.bytes,
      refused: { ...this.#refused },
    };
  }

  async attach(node: QvacNode): Promise<void> {
    this.#node = node;
    const maxInboundStreams = this.#limits.maxCircuitsPerSource + maxPendingRequests;
    await node.handle(hopProtocol, (stream, connection) => this.#serve(stream, connection), { maxInboundStreams });
    node.addEventListener('connection:close', ({ detail }) => this.#closed(node, detail));
    this.#timer = setInterval(() => this.#sweep(), Math.min(sweepMs, this.#limits.idleMs));
    this.#timer.unref();
  }

  detach(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const { pipe: each } of this.#open) each.end(new Error('the relay stops'));
    this.#node = null;
  }

  #closed(node: QvacNode, { id, remotePeer }: Connection): void {
    const peer = remotePeer.toString() as PeerIdString;
    if (!this.#reservations.has(peer)) return;
    if (node.getConnections(remotePeer).some((each) => each.id !== id && !isRelayed(each.remoteAddr))) return;
    this.#reservations.release(peer);
    this.events.emit('event', { event: 'released', peer });
  }

  #sweep(): void {
    this.#reservations.sweep();
    const now = this.#monotonic();
    for (const { circuit, pipe: each } of this.#open)
      if (now - circuit.movedAt > this.#limits.idleMs) each.end(new Error('the circuit is idle'));
  }

  async #serve(stream: Stream, connection: Connection): Promise<void> {
    const source = connection.remotePeer.toString();
    if (this.#pending.of(source) >= maxPendingRequests) return stream.abort(new Error('too many requests at once'));
    this.#pending.add(source);
    try {
      await this.#answer(stream, connection);
    } catch (error) {
      if (error instanceof RawMessageError && stream.status === 'open')
        await refuse(stream, circuitStatus.malformedMessage).catch(() => undefined);
      stream.abort(toError(error));
    } finally {
      this.#pending.remove(source);
    }
  }

  async #answer(stream: Stream, connection: Connection): Promise<void> {
    const request = decodeHop(await readMessage(stream, AbortSignal.timeout(messageTimeoutMs)));
    if (request.type === 'status') return refuse(stream, circuitStatus.unexpectedMessage);
    if (isRelayed(connection.remoteAddr)) {
      this.#count(connection.remotePeer, 'relayed');
      return refuse(stream, circuitStatus.permissionDenied);
    }
    if (request.type === 'reserve') return this.#reserve(stream, connection);
    return this.#connect(stream, connection, targetOf(request.peer));
  }

  async #reserve(stream: Stream, { remotePeer, remoteAddr }: Connection): Promise<void> {
    const peer = remotePeer.toString() as PeerIdString;
    const isNew = !this.#reservations.has(peer);
    const refusal = this.#reservations.reserve(peer, customerOf(remoteAddr));
    if (refusal !== null) {
      this.#count(remotePeer, refusal);
      const { permissionDenied, reservationRefused } = circuitStatus;
      return refuse(stream, refusal === 'not-allowed' ? permissionDenied : reservationRefused);
    }
    const node = this.#node;
    if (node === null) throw new Error('the relay stops');
    if (isNew) {
      await node.peerStore.merge(remotePeer, { tags: { 'circuit-reservation': { value: reservationTagValue } } });
      this.events.emit('event', { event: 'reserved', peer });
    }
    const reservation: ReservationMessage = {
      expire: Math.floor((this.#components.clock.now() + this.#limits.reservationMs) / 1000),
      addrs: node
        .getMultiaddrs()
        .slice(0, 2 * maxRelayAddresses)
        .map(({ bytes }) => bytes),
    };
    await answer(stream, circuitStatus.ok, reservation);
  }

  async #connect(stream: Stream, connection: Connection, target: PeerId): Promise<void> {
    const { remotePeer, remoteAddr } = connection;
    const to = target.toString() as PeerIdString;
    const link = this.#reservations.has(to) ? this.#linkTo(target) : null;
    if (link === null || target.equals(remotePeer)) {
      this.#count(remotePeer, 'no-reservation');
      return refuse(stream, circuitStatus.noReservation);
    }
    const source = remotePeer.toString() as PeerIdString;
    const circuit = this.#circuits.open({ source, ip: customerOf(remoteAddr), target: to });
    if (typeof circuit === 'string') {
      this.#count(remotePeer, circuit);
      return refuse(stream, circuitStatus.resourceLimitExceeded);
    }
    try {
      const accepted = await this.#invite(link, remotePeer);
      if (accepted === null) {
        circuit.release();
        this.#count(remotePeer, 'not-reached');
        return refuse(stream, circuitStatus.connectionFailed);
      }
      this.#join(stream, accepted, circuit);
    } catch (error) {
      circuit.release();
      throw error;
    }
  }

  /** The newest direct connection to a peer: an older one may be half dead. */
  #linkTo(peer: PeerId): Connection | null {
    const links = this.#node?.getConnections(peer) ?? [];
    return links.findLast(({ status, remoteAddr }) => status === 'open' && !isRelayed(remoteAddr)) ?? null;
  }

  /** Asks a reserving peer to take a circuit from `source`. Null if it does not. */
  async #invite(link: Connection, source: PeerId): Promise<Stream | null> {
    const signal = AbortSignal.timeout(acceptTimeoutMs);
    let stream: Stream | null = null;
    try {
      const options = { signal, maxOutboundStreams: this.#limits.maxCircuitsPerTarget, eager: true };
      stream = await link.newStream(stopProtocol, options);
      sendMessage(stream, encodeStop({ type: 'connect', peer: source.toMultihash().bytes, limit: null }));
      const answer = decodeStop(await readMessage(stream, signal));
      if (answer.type === 'status' && answer.status === circuitStatus.ok) return stream;
      throw new Error('the peer does not take the circuit');
    } catch (error) {
      stream?.abort(toError(error));
      this.#components.logger.debug('a peer did not take a circuit', {
        peer: link.remotePeer.toString(),
        error: String(error),
      });
      return null;
    }
  }

  #join(from: Stream, to: Stream, circuit: Circuit): void {
    sendMessage(from, encodeHop({ type: 'status', status: circuitStatus.ok, reservation: null, limit: null }));
    const joined = pipe(from, to, {
      take: (bytes) => circuit.take(bytes),
      onEnd: () => {
        this.#open.delete(open);
        circuit.release();
      },
    });
    const open = { circuit, pipe: joined };
    this.#open.add(open);
  }

  #count(peer: PeerId, why: RelayRefusal): void {
    this.#refused[why] = (this.#refused[why] ?? 0) + 1;
    this.events.emit('event', { event: 'refused', peer: peer.toString() as PeerIdString, why });
  }
}

/** Answers with a status and ends the stream, also if the other side does not. */
async function answer(stream: Stream, status: CircuitStatus, reservation: ReservationMessage | null): Promise<void> {
  sendMessage(stream, encodeHop({ type: 'status', status, reservation, limit: null }));
  setTimeout(() => stream.abort(new Error('the other side does not end the stream')), messageTimeoutMs).unref();
  await stream.close({ signal: AbortSignal.timeout(messageTimeoutMs) });
}

function refuse(stream: Stream, status: CircuitStatus): Promise<void> {
  return answer(stream, status, null);
}

/** @throws RawMessageError if the bytes are no peer id */
function targetOf(bytes: Uint8Array): PeerId {
  try {
    return peerIdFromMultihash(decodeMultihash(bytes));
  } catch {
    throw new RawMessageError('bytes that are no peer id');
  }
}

function customerOf(address: Multiaddr): string {
  const text = address.toString();
  return customerOfIp(ipOfMultiaddr(text) ?? text);
}
