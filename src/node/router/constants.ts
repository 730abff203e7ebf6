/** Every number of the router's own policy, with its unit. Numbers of the protocol are in `protocol/constants.ts`. */

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;

// One question

/** The first frame of a person's client is due within this, ms. */
export const requestTimeoutMs = 30 * secondMs;
/** Longest `timeout` that a person's client may ask for, ms; more counts as this. */
export const maxRouteTimeoutMs = 2 * hourMs;
/** Providers that are asked for a fresh card for one question; those that take an offer are at most 3 (section 4.0). */
export const maxProbes = 8;
/** A provider's card is fetched anew right before an offer; one that takes longer is passed over, ms. */
export const probeTimeoutMs = 3 * secondMs;
/** How long to look for a provider of a model that nobody known offers, ms. */
export const findTimeoutMs = 5 * secondMs;
/** A person's client that does not read is given up after this once the answer is complete, ms. */
export const deliveryTimeoutMs = 30 * secondMs;
/**
 * A provider that gave no token in this long when a question timed out broke off; a shorter time-out says nothing, ms.
 */
export const patienceMs = 30 * secondMs;

// How much at once

/** Questions in progress for all, and for one peer; more are answered `busy`. */
export const maxRoutes = 256;
export const maxRoutesPerPeer = 64;
/** Audits that run or wait, for all and for one peer; more are answered `busy`. */
export const maxAudits = 16;
export const maxAuditsPerPeer = 4;
/** Commits whose providers are remembered, so that none sees the same one twice. */
export const maxCommits = 20_000;
