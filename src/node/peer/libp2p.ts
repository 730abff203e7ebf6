import { type Identify, identify } from '@libp2p/identify';
import type { ConnectionGater, Libp2p, PeerInfo, PrivateKey, StreamMuxerFactory } from '@libp2p/interface';
import { type KadDHTComponents, kadDHT, passthroughMapper, type SingleKadDHT } from '@libp2p/kad-dht';
import { mdns } from '@libp2p/mdns';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import type { YamuxMuxerInit } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';
import { kadProtocol, mdnsTag } from '../../protocol/discovery-keys.ts';
import { BoundedStore } from './libp2p/bounded-store.ts';
import { noteProtocolsOnce } from './libp2p/noted-protocols.ts';
import { boundedPing } from './libp2p/ping.ts';
import { wholeWrites } from './libp2p/whole-writes.ts';

export type PeerRole = 'provider' | 'router' | 'client';

export interface NodeInit {
  readonly privateKey: PrivateKey;
  readonly role: PeerRole;
  /** Multiaddrs; empty for a node that only dials. */
  readonly listen: readonly string[];
  /** Protocol section 7. */
  readonly network: string;
  readonly kademlia: boolean;
  readonly mdns: boolean;
  readonly muxer: () => StreamMuxerFactory;
  readonly gater: ConnectionGater;
  /** Told each time another node's multicast reply is heard, not only the first time. */
  readonly onLocalPeer: (peer: PeerInfo) => void;
}

export type QvacNode = Libp2p<{ identify: Identify; dht?: SingleKadDHT }>;

/** Streams that one side of a connection may have open. */
export const maxStreams = 256;

/**
 * One stream may have this much under way. The receive window never grows beyond what the read buffer holds: a reader
 * that pauses after a fast phase would otherwise lose its stream.
 */
export const muxerInit: YamuxMuxerInit = {
  maxInboundStreams: maxStreams,
  maxOutboundStreams: maxStreams,
  maxEarlyStreams: maxStreams,
  // The link guard probes more often.
  enableKeepAlive: false,
  streamOptions: { maxStreamWindowSize: 1 << 20, maxReadBufferLength: 4 << 20, maxWriteBufferLength: 4 << 20 },
};

/** Connections a role keeps, and takes from one address per second. */
const connectionLimits = {
  provider: { maxConnections: 300, inboundConnectionThreshold: 50, maxIncomingPendingConnections: 100 },
  router: { maxConnections: 1000, inboundConnectionThreshold: 50, maxIncomingPendingConnections: 100 },
  client: { maxConnections: 100, inboundConnectionThreshold: 5, maxIncomingPendingConnections: 10 },
} as const;

const minute = 60_000;
/**
 * Provider records live 15 minutes and are renewed from the fifth on: soon enough that those of a node that is gone do
 * not linger, and well inside the hour for which a holder keeps the addresses without which it answers nothing at all.
 */
const reprovide = { validity: 15 * minute, threshold: 10 * minute, interval: minute };

/** The one place that configures libp2p. Not started. */
export async function createNode(init: NodeInit): Promise<QvacNode> {
  const clientMode = init.role === 'client';
  const node = await createLibp2p({
    start: false,
    privateKey: init.privateKey,
    addresses: { listen: [...init.listen] },
    transports: [tcp({ backlog: 128 })],
    connectionEncrypters: [wholeWrites(noise())],
    streamMuxers: [init.muxer],
    connectionGater: init.gater,
    connectionManager: { ...connectionLimits[init.role], dialTimeout: 10_000, addressDialTimeout: 4_000 },
    // It cuts healthy connections under load, and costs a stream per probe.
    connectionMonitor: { enabled: false },
    datastore: new BoundedStore(init.privateKey.publicKey.toCID()),
    nodeInfo: { name: 'qvac' },
    peerDiscovery: init.mdns ? [localDiscovery(init, clientMode)] : [],
    services: {
      // The peer says when: the first stream of a connection goes first.
      identify: identify({ runOnConnectionOpen: false }),
      ping: boundedPing(),
      ...(init.kademlia ? { dht: kademlia(init.network, clientMode) } : {}),
    },
  });
  noteProtocolsOnce(node);
  return node;
}

function kademlia(network: string, clientMode: boolean): (components: KadDHTComponents) => SingleKadDHT {
  const create = kadDHT({
    protocol: kadProtocol(network),
    clientMode,
    // The default drops private addresses: on one machine or one network, all of them.
    peerInfoMapper: passthroughMapper,
    initialQuerySelfInterval: 200,
    reprovide,
  });
  // What it makes has a routing table, which its return type leaves out.
  return (components) => create(components) as SingleKadDHT;
}

function localDiscovery(init: NodeInit, listenOnly: boolean): ReturnType<typeof mdns> {
  const create = mdns({ serviceTag: mdnsTag(init.network), broadcast: !listenOnly });
  return (components) => {
    const discovery = create(components);
    discovery.addEventListener('peer', (event) => init.onLocalPeer(event.detail));
    return discovery;
  };
}
