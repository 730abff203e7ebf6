/**
 * The messages of circuit-relay-v2 (https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md), in protobuf.
 * Unknown fields are skipped, as protobuf wants it. Decoding never throws anything but `RawMessageError`.
 */
import {
  asBytes,
  type Field,
  FieldWriter,
  last,
  numberIn,
  numberOr,
  RawMessageError,
  readFields,
} from '../libp2p/protobuf.ts';

export const hopProtocol = '/libp2p/circuit/relay/0.2.0/hop';
export const stopProtocol = '/libp2p/circuit/relay/0.2.0/stop';

/** Status codes of both protocols. */
export const circuitStatus = {
  ok: 100,
  reservationRefused: 200,
  resourceLimitExceeded: 201,
  permissionDenied: 202,
  connectionFailed: 203,
  noReservation: 204,
  malformedMessage: 400,
  unexpectedMessage: 401,
} as const;

export type CircuitStatus = (typeof circuitStatus)[keyof typeof circuitStatus];

/** What a relay allows for one circuit; 0 for no limit. */
export interface CircuitLimit {
  readonly seconds: number;
  /** Each way. */
  readonly bytes: number;
}

/** A reservation as the relay confirms it. */
export interface ReservationMessage {
  /** Unix seconds. */
  readonly expire: number;
  /** Multiaddrs of the relay in bytes. */
  readonly addrs: readonly Uint8Array[];
}

/** `peer` is a peer id in bytes. `status` is a number of `circuitStatus`, or one that this version does not know. */
export type HopMessage =
  | { readonly type: 'reserve' }
  | { readonly type: 'connect'; readonly peer: Uint8Array }
  | {
      readonly type: 'status';
      readonly status: number;
      readonly reservation: ReservationMessage | null;
      readonly limit: CircuitLimit | null;
    };

export type StopMessage =
  | { readonly type: 'connect'; readonly peer: Uint8Array; readonly limit: CircuitLimit | null }
  | { readonly type: 'status'; readonly status: number };

/** Numbers of the fields. */
const hop = { type: 1, peer: 2, reservation: 3, limit: 4, status: 5 } as const;
const stop = { type: 1, peer: 2, limit: 3, status: 4 } as const;
const peerFields = { id: 1 } as const;
const reservationFields = { expire: 1, addrs: 2 } as const;
const limitFields = { duration: 1, data: 2 } as const;

const hopTypes = ['reserve', 'connect', 'status'] as const;
const stopTypes = ['connect', 'status'] as const;

export function encodeHop(message: HopMessage): Uint8Array {
  const writer = new FieldWriter();
  writer.number(hop.type, hopTypes.indexOf(message.type));
  if (message.type === 'connect') writer.bytes(hop.peer, peerBytes(message.peer));
  if (message.type === 'status') {
    const { reservation, limit, status } = message;
    if (reservation !== null) {
      const inner = new FieldWriter();
      inner.number(reservationFields.expire, reservation.expire);
      for (const address of reservation.addrs) inner.bytes(reservationFields.addrs, address);
      writer.bytes(hop.reservation, inner.done());
    }
    if (limit !== null) writer.bytes(hop.limit, limitBytes(limit));
    writer.number(hop.status, status);
  }
  return writer.done();
}

/** @throws RawMessageError */
export function decodeHop(bytes: Uint8Array): HopMessage {
  const fields = readFields(bytes);
  const type = hopTypes[numberOr(fields, hop.type, hopTypes.length)];
  if (type === 'reserve') return { type };
  if (type === 'connect') return { type, peer: peerIn(fields, hop.peer) };
  if (type !== 'status') throw new RawMessageError('a hop message of no known type');
  const inner = last(fields, hop.reservation);
  const reservation = inner === undefined ? null : readFields(asBytes(inner));
  return {
    type,
    status: numberIn(fields, hop.status),
    reservation:
      reservation === null
        ? null
        : {
            expire: numberIn(reservation, reservationFields.expire),
            addrs: reservation
              .filter(({ field }) => field === reservationFields.addrs)
              .map(({ value }) => asBytes(value)),
          },
    limit: limitIn(fields, hop.limit),
  };
}

export function encodeStop(message: StopMessage): Uint8Array {
  const writer = new FieldWriter();
  writer.number(stop.type, stopTypes.indexOf(message.type));
  if (message.type === 'connect') {
    writer.bytes(stop.peer, peerBytes(message.peer));
    if (message.limit !== null) writer.bytes(stop.limit, limitBytes(message.limit));
  } else writer.number(stop.status, message.status);
  return writer.done();
}

/** @throws RawMessageError */
export function decodeStop(bytes: Uint8Array): StopMessage {
  const fields = readFields(bytes);
  const type = stopTypes[numberOr(fields, stop.type, stopTypes.length)];
  if (type === 'connect') return { type, peer: peerIn(fields, stop.peer), limit: limitIn(fields, stop.limit) };
  if (type !== 'status') throw new RawMessageError('a stop message of no known type');
  return { type, status: numberIn(fields, stop.status) };
}

function peerBytes(id: Uint8Array): Uint8Array {
  const writer = new FieldWriter();
  writer.bytes(peerFields.id, id);
  return writer.done();
}

function peerIn(fields: readonly Field[], field: number): Uint8Array {
  const peer = last(fields, field);
  const id = peer === undefined ? undefined : last(readFields(asBytes(peer)), peerFields.id);
  if (id === undefined) throw new RawMessageError('a message without a peer');
  return asBytes(id);
}

function limitBytes({ seconds, bytes }: CircuitLimit): Uint8Array {
  const writer = new FieldWriter();
  writer.number(limitFields.duration, seconds);
  writer.number(limitFields.data, bytes);
  return writer.done();
}

/** Null for no limit at all. */
function limitIn(fields: readonly Field[], field: number): CircuitLimit | null {
  const limit = last(fields, field);
  if (limit === undefined) return null;
  const inner = readFields(asBytes(limit));
  const [seconds, bytes] = [numberOr(inner, limitFields.duration, 0), numberOr(inner, limitFields.data, 0)];
  return seconds === 0 && bytes === 0 ? null : { seconds, bytes };
}
