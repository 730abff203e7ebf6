import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { Libp2p, Stream } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Monotonic, systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/log.ts';
import {
  decodeHop,
  decodeStop,
  encodeHop,
  encodeStop,
  type HopMessage,
  hopProtocol,
  stopProtocol,
} from '../../src/node/peer/circuit/messages.ts';
import { readMessage, sendMessage } from '../../src/node/peer/libp2p/wire.ts';
import type { Peer, PeerInit } from '../../src/node/peer/peer.ts';
import { createRelayServer, type RelayServer, type RelayServerInit } from '../../src/node/relay/relay-server.ts';
import { jobProtocol } from '../../src/protocol/constants.ts';
import { openRaw } from './hostile.ts';
import { startPeer } from './peers.ts';

const deadlineMs = 30_000;

export interface TestRelay {
  readonly peer: Peer;
  readonly server: RelayServer;
}

/** A relay on loopback in this process. @param init `monotonic`: its clock, by default the system's */
export async function startRelay(
  context: TestContext,
  { monotonic, ...init }: RelayServerInit & { readonly monotonic?: Monotonic } = {},
  more: Partial<PeerInit> = {},
): Promise<TestRelay> {
  const server = createRelayServer({ clock: systemClock, monotonic, logger: silentLogger }, init);
  const peer = await startPeer(context, { role: 'relay', reach: 'direct', extensions: [server], ...more });
  return { peer, server };
}

/** A provider that is reached through relays alone, once it has a reservation at each. It returns every tokens frame. */
export async function startHidden(
  context: TestContext,
  relays: readonly string[],
  init: Partial<PeerInit> = {},
): Promise<Peer> {
  const peer = await startPeer(context, { reach: 'relay', relays, ...init });
  await peer.handle(jobProtocol, async (stream) => {
    for (let frame = await stream.read(['tokens']); frame !== null; frame = await stream.read(['tokens']))
      await stream.write(frame);
  });
  await hasReservations(peer, relays.length);
  return peer;
}

/** Waits until a node has so many reservations. */
export async function hasReservations(peer: Peer, count: number): Promise<void> {
  const signal = AbortSignal.timeout(deadlineMs);
  while (peer.reach().relays.filter(({ addrs }) => addrs.length > 0).length !== count)
    await once(peer.events, 'reach', { signal });
}

/** Sends a raw request to a relay, and returns its answer and the stream. */
export async function requestHop(
  node: Libp2p,
  relay: string,
  message: HopMessage | Uint8Array,
): Promise<{ readonly answer: HopMessage; readonly stream: Stream }> {
  const stream = await openRaw(node, relay, hopProtocol);
  sendMessage(stream, message instanceof Uint8Array ? message : encodeHop(message));
  const answer = decodeHop(await readMessage(stream, AbortSignal.timeout(deadlineMs)));
  return { answer, stream };
}

export function connectTo(peer: string): HopMessage {
  return { type: 'connect', peer: peerIdFromString(peer).toMultihash().bytes };
}

/** Makes a raw node take every circuit. @param use receives its stream, paused */
export async function acceptCircuits(node: Libp2p, use: (stream: Stream) => void): Promise<void> {
  await node.handle(
    stopProtocol,
    async (stream) => {
      decodeStop(await readMessage(stream, AbortSignal.timeout(deadlineMs)));
      sendMessage(stream, encodeStop({ type: 'status', status: 100 }));
      use(stream);
    },
    { maxInboundStreams: 10_000 },
  );
}
