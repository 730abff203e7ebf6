/** Every number of the router's own policy, with its unit. Numbers of the protocol are in `protocol/constants.ts`. */

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

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
/** A provider that was left after its accept gets this long to answer the cancel before its stream is reset, ms. */
export const leaveTimeoutMs = 5 * secondMs;
/** A person's client that does not read is given up after this once the answer is complete, ms. */
export const deliveryTimeoutMs = 30 * secondMs;
/** A provider that gave no token in this long when a question timed out broke off; a shorter time-out says nothing, ms. */
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

// Reputation

/** Counts of good and broken jobs are halved after this, ms. */
export const experienceHalfLifeMs = 12 * hourMs;
/** A failed verification is halved only after this, ms: a cheat is remembered longer than an outage. */
export const faultHalfLifeMs = 7 * dayMs;
/** A provider whose decayed faults are above this is not used: one fault rules it out for one half-life, two for two. */
export const faultLimit = 0.5;
/** Jobs broken off in a row before a provider is left alone for a while. */
export const streakLimit = 2;
/** How long it is left alone at first, and at most; every further failure multiplies the time by 4, ms. */
export const cooldownMs = 30 * secondMs;
export const maxCooldownMs = hourMs;
/** A newcomer counts as having served 4 jobs of 5. */
export const priorServed = 4;
export const priorJobs = 5;
/** A `busy` counts as this much of a job that broke off. */
export const busyWeight = 0.1;
/** Weight of the newest measurement in the running means of speed. */
export const speedWeight = 0.3;
/** Answers shorter than this say nothing about speed, tokens. */
export const minSpeedTokens = 8;
/** Providers that are remembered, and models per provider whose speed is. */
export const maxProviders = 1_000;
export const maxSpeeds = 16;
/** Changes are written to disk at most this often, ms. */
export const saveIntervalMs = secondMs;

// Choice: what one doubling is worth, in points

/** Twice the price. */
export const priceWeight = 1;
/** Twice the time to the whole answer. */
export const speedTermWeight = 0.5;
/** Half the share of jobs served. */
export const reliabilityWeight = 2;
/** All slots in use by this router. */
export const loadWeight = 1;
/** First token of a provider that was never measured, ms. */
export const assumedFirstTokenMs = secondMs;
