/** Numbers of dialling, in ms. */

/** How long a dial and the opening of a stream may take. */
export const openTimeoutMs = 10_000;
/** How long one address may take, its handshake included. A relayed one has to reach the relay first. */
export const addressTimeoutMs = 6_000;
/** Addresses that seldom work from here, and those through a relay, are dialled so long after the others. */
export const laterMs = 250;
/** Time between two relayed addresses of one peer. */
export const relayGapMs = 250;
/** Addresses of one peer that are dialled. */
export const maxDialled = 12;
