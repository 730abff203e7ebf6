/** Every number of the router's own policy, with its unit. Protocol numbers are in `protocol/constants.ts`. */

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;

// One question

/** How long a client may take to send its first frame, ms. */
export const requestTimeoutMs = 30 * secondMs;
/** Longest `timeout` of a question, ms; a longer one is reduced to this. */
export const maxRouteTimeoutMs = 2 * hourMs;
/** Providers asked for a fresh card per question; at most 3 of them receive an offer (section 4.0). */
export const maxProbes = 8;
/** How long a provider may take to send a fresh card right before an offer, ms; a slower one is skipped. */
export const probeTimeoutMs = 3 * secondMs;
/** How long to search for a provider if no known one offers the model, ms. */
export const findTimeoutMs = 5 * secondMs;
/** How long a client may leave the frames after a complete answer unread, ms. */
export const deliveryTimeoutMs = 30 * secondMs;
/** A question that times out counts against a provider without a token only if it had at least this time, ms. */
export const patienceMs = 30 * secondMs;

// How much at once

/** Questions in progress, in total and per peer; further ones are refused with `busy`. */
export const maxRoutes = 256;
export const maxRoutesPerPeer = 64;
/** Running and waiting audits, in total and per peer; further ones are refused with `busy`. */
export const maxAudits = 16;
export const maxAuditsPerPeer = 4;
/** Commits to keep, with their providers, so that no provider sees the same one twice. */
export const maxCommits = 20_000;
