import { networkInterfaces } from 'node:os';
import { type Identify, identify, identifyPush } from '@libp2p/identify';
import type { ConnectionGater, Libp2p, PrivateKey, StreamMuxerFactory } from '@libp2p/interface';
import { type KadDHTComponents, kadDHT, passthroughMapper, type SingleKadDHT } from '@libp2p/kad-dht';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import type { YamuxMuxerInit } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { QvacError } from '../../errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import { kadProtocol } from '../../protocol/discovery-keys.ts';
import { circuits } from './circuit/transport.ts';
import { dialOrder } from './dial/dial-order.ts';
import type { IpLimits } from './guard/ip-places.ts';
import { type Anchors, keepAtAnchors } from './libp2p/anchors.ts';
import { BoundedStore } from './libp2p/bounded-store.ts';
import { handshakeEagerly } from './libp2p/eager.ts';
import { type Internals, internals } from './libp2p/internals.ts';
import { noteProtocolsOnce } from './libp2p/noted-protocols.ts';
import { boundedPing } from './libp2p/ping.ts';
import { wholeWrites } from './libp2p/whole-writes.ts';
import { listenError } from './peer-errors.ts';
import type { PunchPort } from './punch/punch-port.ts';

export type PeerRole = 'provider' | 'router' | 'client' | 'relay';

export interface NodeInit {
  readonly privateKey: PrivateKey;
  readonly role: PeerRole;
  /** Multiaddrs; empty for a node that only dials. */
  readonly listen: readonly string[];
  /** Network name (protocol section 7). */
  readonly network: string;
  readonly kademlia: boolean;
  readonly muxer: () => StreamMuxerFactory;
  readonly gater: ConnectionGater;
  /** The multiaddrs to tell other peers, each with `/p2p/<own id>`. Called whenever they are needed. */
  readonly announced: () => readonly string[];
  /** The port from which it dials. */
  readonly punchPort: PunchPort;
  /** Whether this node has a reservation at that relay. */
  readonly acceptsCircuits: (relay: PeerIdString) => boolean;
  readonly anchors: Anchors;
}

export type QvacNode = Libp2p<{ identify: Identify; internals: Internals; dht?: SingleKadDHT }>;

/** The name of the handshake. */
const noiseProtocol = '/noise';
/** Most open streams of one side of a connection. */
export const maxStreams = 256;

/**
 * Bounds of one stream. The receive window stays below the read buffer: otherwise a reader that pauses after a fast
 * phase loses its stream.
 */
export const muxerInit: YamuxMuxerInit = {
  maxInboundStreams: maxStreams,
  maxOutboundStreams: maxStreams,
  maxEarlyStreams: maxStreams,
  // The link guard probes more often.
  enableKeepAlive: false,
  streamOptions: { maxStreamWindowSize: 1 << 20, maxReadBufferLength: 4 << 20, maxWriteBufferLength: 4 << 20 },
};

/** Most connections of a role, and most inbound ones per second from one address. */
export const connectionLimits = {
  provider: { maxConnections: 300, inboundConnectionThreshold: 50, maxIncomingPendingConnections: 100 },
  router: { maxConnections: 1000, inboundConnectionThreshold: 50, maxIncomingPendingConnections: 100 },
  relay: { maxConnections: 4000, inboundConnectionThreshold: 50, maxIncomingPendingConnections: 100 },
  client: { maxConnections: 100, inboundConnectionThreshold: 5, maxIncomingPendingConnections: 10 },
} as const;

/** What one public IP address may take of the connections of a role: a quarter, also of the handshakes under way. */
export function ipLimits(role: PeerRole): IpLimits {
  const { maxConnections, maxIncomingPendingConnections } = connectionLimits[role];
  const share = (all: number): number => Math.ceil(all / 4);
  return { connectionsPerIp: share(maxConnections), handshakesPerIp: share(maxIncomingPendingConnections) };
}

/** How long `stopNode` may take, in ms. */
const stopTimeoutMs = 3_000;

const minute = 60_000;
/**
 * How long a provider record lives, and when its node renews it, in ms: those of a lost node soon disappear, and each
 * holder keeps the provider's addresses, which it needs for any answer, for an hour.
 */
export const recordTimes = { validityMs: 15 * minute, renewalMs: 5 * minute } as const;
const reprovide = {
  validity: recordTimes.validityMs,
  threshold: recordTimes.validityMs - recordTimes.renewalMs,
  interval: minute,
};
/**
 * Bits by which a client divides its routing table: two buckets of 20. Each node that any answer mentions is dialled to
 * fill the table, and a client asks others rather than answering them. @default 6: 64 buckets
 */
const clientPrefixLength = 1;

/** The one place that configures libp2p. The node is not started. */
export async function createNode(init: NodeInit): Promise<QvacNode> {
  const clientMode = init.role === 'client';
  const node = await createLibp2p({
    start: false,
    privateKey: init.privateKey,
    addresses: {
      listen: [...init.listen],
      announceFilter: () => init.announced().map((address) => multiaddr(address)),
    },
    transports: [init.punchPort.wrap(tcp({ backlog: 128 })), circuits(init.acceptsCircuits)],
    connectionEncrypters: [wholeWrites(noise())],
    streamMuxers: [init.muxer],
    connectionGater: init.gater,
    connectionManager: {
      ...connectionLimits[init.role],
      dialTimeout: 10_000,
      addressDialTimeout: 4_000,
      addressSorter: dialOrder(),
    },
    // It closes healthy connections under load, and costs a stream per probe.
    connectionMonitor: { enabled: false },
    datastore: new BoundedStore(init.privateKey.publicKey.toCID()),
    nodeInfo: { name: 'qvac' },
    services: {
      // `introduce` says when: the first stream of a connection goes first.
      identify: identify({ runOnConnectionOpen: false }),
      // Tells connected peers when addresses or protocols change.
      identifyPush: identifyPush(),
      internals,
      ping: boundedPing(),
      ...(init.kademlia ? { dht: kademlia(init.network, clientMode) } : {}),
    },
  });
  const { dht } = node.services;
  if (dht !== undefined) keepAtAnchors(dht, () => init.anchors.of(node));
  noteProtocolsOnce(node);
  handshakeEagerly(node.services.internals.upgrader, noiseProtocol);
  return node;
}

function kademlia(network: string, clientMode: boolean): (components: KadDHTComponents) => SingleKadDHT {
  const create = kadDHT({
    protocol: kadProtocol(network),
    clientMode,
    // The default drops private addresses, which are all that one machine or one network has.
    peerInfoMapper: passthroughMapper,
    initialQuerySelfInterval: 200,
    reprovide,
    ...(clientMode ? { prefixLength: clientPrefixLength } : {}),
  });
  // The result has a routing table, which its declared type omits.
  return (components) => create(components) as SingleKadDHT;
}

/** Starts `node`, which listens at `listen`. @throws QvacError E_PORT_IN_USE, E_CONFIG if it cannot */
export async function startNode(node: QvacNode, listen: readonly string[]): Promise<void> {
  try {
    await node.start();
  } catch (error) {
    throw listenError(error, listen);
  }
  // libp2p ignores the failure of all IPv6 addresses, as of a machine without IPv6. This one has IPv6.
  const ip6 = listen.filter((address) => address.startsWith('/ip6/'));
  const hasIp6 = Object.values(networkInterfaces()).some((infos) => infos?.some(({ family }) => family === 'IPv6'));
  if (ip6.length > 0 && hasIp6 && !node.getMultiaddrs().some((address) => address.toString().startsWith('/ip6/')))
    throw new QvacError('E_PORT_IN_USE', `cannot listen at ${ip6.join(', ')}: another program may have the port`, {
      hint: 'choose another port, or leave out --listen for any free one',
    });
}

/** Stops `node` and closes its connections, in bounded time. Never throws. */
export async function stopNode(node: QvacNode, logger: Logger): Promise<void> {
  const stopped = Promise.resolve(node.stop()).catch((error: unknown) =>
    logger.debug('stopping', { error: String(error) }),
  );
  const late = setTimeout(() => {
    for (const connection of node.getConnections()) connection.abort(new Error('stopping'));
  }, stopTimeoutMs / 2);
  await Promise.race([stopped, new Promise((resolve) => setTimeout(resolve, stopTimeoutMs).unref())]);
  clearTimeout(late);
}
