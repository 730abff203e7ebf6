import {
  type Connection,
  type ConnectionLimits,
  type DialTransportOptions,
  type Listener,
  type Logger,
  type PeerId,
  type Stream,
  type Transport,
  transportSymbol,
} from '@libp2p/interface';
import { peerIdFromMultihash, peerIdFromString } from '@libp2p/peer-id';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import { decode as decodeMultihash } from 'multiformats/hashes/digest';
import { toError } from '../../../errors.ts';
import { anySignal } from '../../../lib/abort.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import { isRelayed, withoutPeer } from '../addresses.ts';
import { readMessage, sendMessage } from '../libp2p/wire.ts';
import { CircuitConnection } from './circuit-connection.ts';
import { CircuitError } from './circuit-error.ts';
import { inboundCircuitTimeoutMs, maxInboundCircuits, messageTimeoutMs } from './constants.ts';
import {
  type CircuitLimit,
  circuitStatus,
  decodeHop,
  decodeStop,
  encodeHop,
  encodeStop,
  hopProtocol,
  stopProtocol,
} from './messages.ts';

interface Components {
  readonly connectionManager: {
    openConnection(target: Multiaddr, options: { readonly signal: AbortSignal }): Promise<Connection>;
    getConnections(peer: PeerId): readonly Connection[];
  };
  readonly registrar: {
    handle(
      protocol: string,
      handler: (stream: Stream, connection: Connection) => Promise<void>,
      options: { readonly maxInboundStreams: number; readonly maxOutboundStreams: number },
    ): Promise<void>;
    unhandle(protocol: string): Promise<void>;
  };
  readonly upgrader: DialTransportOptions['upgrader'];
  readonly logger: { forComponent(name: string): Logger };
}

/** The circuit transport for `createLibp2p`. @param accepts whether this node has a reservation at that relay */
export function circuits(accepts: (relay: PeerIdString) => boolean): (components: Components) => Transport {
  return (components) => new CircuitTransport(components, accepts);
}

/**
 * Connections through circuit-relay-v2 relays. Both ends run their usual handshake inside the circuit, so the relay
 * sees their peer ids, addresses and sizes alone, and cannot answer in the place of either.
 */
class CircuitTransport implements Transport {
  readonly [Symbol.toStringTag] = 'qvac/circuit-relay';
  readonly [transportSymbol] = true;
  readonly #components: Components;
  readonly #accepts: (relay: PeerIdString) => boolean;
  readonly #log: Logger;

  constructor(components: Components, accepts: (relay: PeerIdString) => boolean) {
    this.#components = components;
    this.#accepts = accepts;
    this.#log = components.logger.forComponent('qvac:circuit');
  }

  async start(): Promise<void> {
    const limits = { maxInboundStreams: maxInboundCircuits, maxOutboundStreams: maxInboundCircuits };
    await this.#components.registrar.handle(stopProtocol, (stream, relay) => this.#incoming(stream, relay), limits);
  }

  async stop(): Promise<void> {
    await this.#components.registrar.unhandle(stopProtocol);
  }

  /** @throws CircuitError with the relay's status if it refuses */
  async dial(address: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    const { relay, target } = splitCircuit(address);
    const connection = await this.#reach(relay, options.signal);
    const signal = anySignal(options.signal, AbortSignal.timeout(messageTimeoutMs));
    const hop = { signal, maxOutboundStreams: maxInboundCircuits, eager: true };
    const stream = await connection.newStream(hopProtocol, hop);
    const maConn = new CircuitConnection(stream, {
      remoteAddr: address,
      direction: 'outbound',
      log: this.#log.newScope('outbound'),
    });
    sendMessage(stream, encodeHop({ type: 'connect', peer: peerIdFromString(target).toMultihash().bytes }));
    // libp2p reads the limits when the handshake is over.
    const upgrade: DialTransportOptions & { limits?: ConnectionLimits } = { ...options };
    const accepted = readMessage(stream, signal).then((answer) => {
      Object.assign(upgrade, limitsOf(acceptedBy(answer)));
      maConn.receive();
    });
    try {
      // The handshake goes out behind the request, and its answer comes behind the relay's.
      const [upgraded] = await Promise.all([options.upgrader.upgradeOutbound(maConn, upgrade), accepted]);
      return upgraded;
    } catch (error) {
      stream.abort(toError(error));
      // A refusal of the relay says more.
      await accepted;
      throw error;
    }
  }

  /** A direct connection to the relay, the newest one if there are several: an older one may be half dead. */
  async #reach(relay: Multiaddr, signal: AbortSignal): Promise<Connection> {
    const { connectionManager } = this.#components;
    const peer = relay.getComponents().findLast(({ name }) => name === 'p2p')?.value ?? '';
    const open = connectionManager
      .getConnections(peerIdFromString(peer))
      .filter(({ status, remoteAddr }) => status === 'open' && !isRelayed(remoteAddr));
    return open.at(-1) ?? connectionManager.openConnection(relay, { signal });
  }

  /** A relay opens a circuit to this node. */
  async #incoming(stream: Stream, connection: Connection): Promise<void> {
    try {
      const relay = connection.remotePeer.toString() as PeerIdString;
      const signal = AbortSignal.timeout(inboundCircuitTimeoutMs);
      const request = decodeStop(await readMessage(stream, signal));
      if (request.type !== 'connect' || isRelayed(connection.remoteAddr) || !this.#accepts(relay)) {
        const status = request.type === 'connect' ? circuitStatus.permissionDenied : circuitStatus.unexpectedMessage;
        sendMessage(stream, encodeStop({ type: 'status', status }));
        await stream.close({ signal });
        return;
      }
      const source = peerIdFromMultihash(decodeMultihash(request.peer)).toString();
      sendMessage(stream, encodeStop({ type: 'status', status: circuitStatus.ok }));
      const remoteAddr = multiaddr(`${withoutPeer(connection.remoteAddr)}/p2p/${relay}/p2p-circuit/p2p/${source}`);
      const maConn = new CircuitConnection(stream, {
        remoteAddr,
        direction: 'inbound',
        log: this.#log.newScope('inbound'),
      });
      maConn.receive();
      await this.#components.upgrader.upgradeInbound(maConn, { signal, ...limitsOf(request.limit) });
    } catch (error) {
      stream.abort(toError(error));
    }
  }

  /** Circuits come in by the stop protocol: there is nothing to listen at. */
  createListener(): Listener {
    throw new Error('this transport does not listen');
  }

  listenFilter(): Multiaddr[] {
    return [];
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter((address) => {
      try {
        splitCircuit(address);
        return true;
      } catch {
        return false;
      }
    });
  }
}

const circuitPattern = /^(\/(?:ip4|ip6|dns4|dns6|dns)\/[^/]+\/tcp\/\d+\/p2p\/[^/]+)\/p2p-circuit\/p2p\/([^/]+)$/;

/** The relay's address and the peer behind it. @throws Error if the address is no circuit through one relay */
function splitCircuit(address: Multiaddr): { readonly relay: Multiaddr; readonly target: string } {
  const [, relay, target] = circuitPattern.exec(address.toString()) ?? [];
  if (relay === undefined || target === undefined) throw new Error(`${address} is not an address through a relay`);
  return { relay: multiaddr(relay), target };
}

/** What the relay allows for the circuit. @throws CircuitError if it refuses; RawMessageError */
function acceptedBy(answer: Uint8Array): CircuitLimit | null {
  const message = decodeHop(answer);
  if (message.type !== 'status') throw new CircuitError(circuitStatus.unexpectedMessage);
  if (message.status !== circuitStatus.ok) throw new CircuitError(message.status);
  return message.limit;
}

function limitsOf(limit: CircuitLimit | null): { readonly limits?: ConnectionLimits } {
  if (limit === null) return {};
  return {
    limits: {
      ...(limit.bytes > 0 ? { bytes: BigInt(limit.bytes) } : {}),
      ...(limit.seconds > 0 ? { seconds: limit.seconds } : {}),
    },
  };
}
