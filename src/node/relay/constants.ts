/** Numbers of the relay. Bytes count both directions of a circuit together. */

const kib = 1024;
const mib = 1024 * kib;

/** What a relay allows. 0 stands for no limit where it says so. */
export interface RelayLimits {
  /** @default 256 */
  readonly maxReservations: number;
  /** Reservations of peers at one IP address. @default 8 */
  readonly maxReservationsPerIp: number;
  /** Circuits in all, to one reserving peer, from one peer, and from one IP address. @default 1024, 64, 16, 32 */
  readonly maxCircuits: number;
  readonly maxCircuitsPerTarget: number;
  readonly maxCircuitsPerSource: number;
  readonly maxCircuitsPerIp: number;
  /** Of all circuits of one reserving peer; 0: no limit. @default 2 MiB */
  readonly bytesPerSecond: number;
  /** Of all circuits; 0: no limit. @default 0 */
  readonly totalBytesPerSecond: number;
  /** A circuit on which nothing moves for so long ends. @default 120_000 */
  readonly idleMs: number;
  /** How long a reservation lasts unless it is renewed. @default 3_600_000 */
  readonly reservationMs: number;
}

export const defaultRelayLimits: RelayLimits = {
  maxReservations: 256,
  maxReservationsPerIp: 8,
  maxCircuits: 1_024,
  maxCircuitsPerTarget: 64,
  maxCircuitsPerSource: 16,
  maxCircuitsPerIp: 32,
  bytesPerSecond: 2 * mib,
  totalBytesPerSecond: 0,
  // Nodes probe each other every ten seconds at least, also through a circuit.
  idleMs: 120_000,
  reservationMs: 3_600_000,
};

/** Bytes that may pass at once after a pause, in seconds of the rate. */
export const burstSeconds = 2;
/** A rate that would hold a circuit back for less is not enforced yet, in ms: timers are no finer. */
export const minHoldMs = 5;
/** Requests of one peer that may be under way at the same time, beside its open circuits. */
export const maxPendingRequests = 8;
/** How long the target of a circuit may take to accept it, in ms. */
export const acceptTimeoutMs = 10_000;
/** Time between two looks for idle circuits and expired reservations, in ms. */
export const sweepMs = 5_000;
/** Value that protects the connections of reserving peers when the node closes connections because it has too many. */
export const reservationTagValue = 100;
