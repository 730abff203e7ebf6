/** Every number of the choice between providers and of what is remembered of them, with its unit. */

const secondMs = 1_000;
const hourMs = 3_600 * secondMs;
const dayMs = 24 * hourMs;

// Reputation

/** Counts of good and broken jobs are halved after this, ms. */
export const experienceHalfLifeMs = 12 * hourMs;
/** A failed verification is halved only after this, ms: a cheat is remembered longer than an outage. */
export const faultHalfLifeMs = 7 * dayMs;
/**
 * A provider whose decayed faults are above this is not used: one fault rules it out for one half-life, two for two.
 */
export const faultLimit = 0.5;
/** A missing opening counts as this much of a fault: once, the provider may have crashed; twice, it hides something. */
export const silenceWeight = 0.5;
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

/** Paid jobs that a newcomer on the chain counts as having served. */
export const chainPriorJobs = 5;
/** A rejected job counts as so many that were not served. */
export const rejectedWeight = 3;
/** Each slashed job divides what is left by so much and one. */
export const slashedWeight = 4;

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
