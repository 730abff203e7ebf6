/** Numbers of how a node finds out and announces where others reach it. */

/** Dial-back, the side that dials. How long a dial may take, and how long its connection then stays open. */
export const dialBackTimeoutMs = 5_000;
export const dialBackLingerMs = 1_000;
/** Dials at the same time for all askers. */
export const maxDialBacks = 8;
/** Dials for one asker, and for all askers of one IP address, within `dialBackWindowMs`. */
export const maxDialBacksPerPeer = 4;
export const maxDialBacksPerIp = 16;
export const dialBackWindowMs = 60_000;
/** Askers and addresses whose dials are counted. */
export const maxDialBackCounts = 2_048;

/** Dial-back, the side that asks. How long a request may take, the dial included. */
export const askTimeoutMs = 10_000;
/** How long the connection may take to arrive after the other side said that it is open. */
export const evidenceTimeoutMs = 2_000;
/** Time after which a confirmed address is tested again, and one that nobody reached. */
export const recheckMs = 10 * 60_000;
export const retryMs = 5 * 60_000;
/** Time after which a confirmed address is tested again once a connection was lost. */
export const doubtAfterMs = 60_000;
/** Time after which a test is repeated that no peer could run. */
export const busyMs = 15_000;
/** Peers that must have failed to reach an address before it counts as unreachable. */
export const minFailures = 2;

/** Time between two looks at addresses and tests that are due. */
export const reachTickMs = 1_000;

/**
 * How long a search for relays may take, and the time between two while some are missing, in ms: it doubles up to the
 * last number while searches find none that was not known, since each asks a hundred nodes in a large network.
 */
export const relaySearchMs = 10_000;
export const relaySearchEveryMs = 20_000;
export const maxRelaySearchEveryMs = 300_000;
