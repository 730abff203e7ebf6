/** Numbers of hole punching. */

/** The ports from which each run draws its own: below those that systems give to connections. */
export const minPunchPort = 20_000;
export const maxPunchPort = 31_999;
/** Peers whose view of this node's outside address is kept. */
export const maxObservers = 8;

/** How long after a circuit the first attempt starts, in ms: the circuit's first streams go first. */
export const punchAfterMs = 200;
export const punchRounds = 2;
/**
 * How long both sides try to connect in one round, how long the handshakes of a connection may go on after that, and
 * how long a message may take, in ms.
 */
export const punchWindowMs = 4_000;
export const punchHandshakeMs = 5_000;
export const punchMessageMs = 5_000;
/**
 * Waits between two attempts at an address that refuses, the first and the longest, in ms. Short, since two routers of
 * which one refuses let only those through that both sides begin within half a round trip.
 */
export const firstRetryMs = 20;
export const maxRetryMs = 60;
/** Addresses of the other side that are tried: a peer can name any, so few. */
export const maxPunchAddrs = 2;
/** Attempts at the same time, and the shortest time between two for one peer, in ms. */
export const maxPunches = 8;
export const minPunchGapMs = 30_000;
/** Peers whose last attempt is remembered. */
export const maxPunchTimes = 512;

/** How long a circuit without a stream stays open beside a direct connection, in ms. */
export const spareCircuitMs = 10_000;
