/** Numbers of circuits, the side of the nodes that use relays. */

/** How long one message may take to arrive. */
export const messageTimeoutMs = 10_000;
/** How long the handshakes on a circuit that a peer opens to this node may take. */
export const inboundCircuitTimeoutMs = 10_000;
/** Circuits to this node that one relay may open at the same time. */
export const maxInboundCircuits = 256;
/** Addresses of a relay that are kept, and announced. */
export const maxRelayAddresses = 2;

/** Relays at which a node keeps a reservation. */
export const wantedRelays = 2;
/** Relays that are remembered as candidates, without the configured ones. */
export const maxRelayCandidates = 32;
/** How long reaching a relay, and then a reservation, may take. */
export const relayDialTimeoutMs = 5_000;
export const reserveTimeoutMs = 5_000;
/** Time between two looks at the reservations. */
export const keeperTickMs = 500;
/** Waits before the second, third … attempt at a relay that is not reached; the last repeats. */
export const relayRetryMs = [500, 1_000, 1_000, 2_000, 2_000, 2_000, 5_000, 10_000, 30_000, 60_000] as const;
/** Wait after a refusal. */
export const relayRefusedMs = 30_000;
/** Share of a reservation's life after which it is renewed, and the shortest time until then. */
export const renewAfterShare = 0.5;
export const minRenewMs = 10_000;
