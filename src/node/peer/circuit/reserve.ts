import type { Connection } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { toError } from '../../../errors.ts';
import { ipOfMultiaddr, kindOfIp } from '../../../lib/ip-kind.ts';
import type { PeerIdString } from '../../../lib/types.ts';
import { usableDirectAddress, withoutPeer } from '../addresses.ts';
import { RawMessageError } from '../libp2p/protobuf.ts';
import { readMessage, sendMessage } from '../libp2p/wire.ts';
import { CircuitError } from './circuit-error.ts';
import { maxInboundCircuits, maxRelayAddresses } from './constants.ts';
import { circuitStatus, decodeHop, encodeHop, hopProtocol } from './messages.ts';

/** A relay's promise to forward circuits to this node while it stays connected. */
export interface Reservation {
  readonly relay: PeerIdString;
  /** Multiaddrs `…/p2p/<relay>/p2p-circuit`, at most `maxRelayAddresses`. */
  readonly addrs: readonly string[];
  /** Unix ms, by the relay's clock. */
  readonly expiresAt: number;
}

/**
 * Reserves at the relay at the other end of a direct connection, or renews the reservation.
 * @throws CircuitError if it refuses; RawMessageError; the error of libp2p; the signal's reason
 */
export async function reserve(connection: Connection, signal: AbortSignal): Promise<Reservation> {
  const options = { signal, maxOutboundStreams: maxInboundCircuits, eager: true };
  const stream = await connection.newStream(hopProtocol, options);
  try {
    sendMessage(stream, encodeHop({ type: 'reserve' }));
    const answer = decodeHop(await readMessage(stream, signal));
    if (answer.type !== 'status') throw new CircuitError(circuitStatus.unexpectedMessage);
    if (answer.status !== circuitStatus.ok) throw new CircuitError(answer.status);
    if (answer.reservation === null) throw new RawMessageError('a reservation without a content');
    await stream.close({ signal });
    const relay = connection.remotePeer.toString() as PeerIdString;
    const { expire, addrs } = answer.reservation;
    const dialled = withoutPeer(connection.remoteAddr);
    return { relay, addrs: circuitsVia(relay, addrs, dialled), expiresAt: expire * 1000 };
  } finally {
    stream.abort(toError('done'));
  }
}

/** The addresses through a relay for peers elsewhere: at its public addresses, else at the one dialled here. */
function circuitsVia(relay: PeerIdString, addrs: readonly Uint8Array[], dialled: string): readonly string[] {
  const named = addrs.slice(0, 4 * maxRelayAddresses).flatMap((bytes) => textOf(bytes) ?? []);
  const isPublic = (address: string): boolean => {
    const ip = ipOfMultiaddr(address);
    return ip === null || kindOfIp(ip) === 'public';
  };
  // The address that works for this node comes first.
  const usable = [...new Set([dialled, ...named])].filter(isPublic);
  const chosen = usable.length > 0 ? usable : [dialled];
  return chosen.slice(0, maxRelayAddresses).map((address) => `${address}/p2p/${relay}/p2p-circuit`);
}

/** A direct multiaddr without `/p2p`, null for any other bytes. */
function textOf(bytes: Uint8Array): string | null {
  try {
    return usableDirectAddress(multiaddr(bytes).toString())?.toString() ?? null;
  } catch {
    return null;
  }
}
