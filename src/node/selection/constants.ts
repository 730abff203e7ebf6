/** Every number of the selection between providers and of their reputation, with its unit. */

const secondMs = 1_000;
const hourMs = 3_600 * secondMs;
const dayMs = 24 * hourMs;

// Reputation

/** Half-life of the counts of served and broken jobs, ms. */
export const experienceHalfLifeMs = 12 * hourMs;
/** Half-life of the count of failed verifications, ms: a cheat counts longer than an outage. */
export const faultHalfLifeMs = 7 * dayMs;
/**
 * A provider with more decayed faults than this is not used: one fault rules it out for one half-life, two for two.
 */
export const faultLimit = 0.5;
/** The weight of a missing opening as a fault: after one the provider may have crashed, after two it is ruled out. */
export const silenceWeight = 0.5;
/** Broken jobs in a row after which a provider is not used for a while. */
export const streakLimit = 2;
/** How long the provider is then not used, at first and at most; each further failure multiplies the time by 4, ms. */
export const cooldownMs = 30 * secondMs;
export const maxCooldownMs = hourMs;
/** A newcomer starts with 4 served jobs of 5. */
export const priorServed = 4;
export const priorJobs = 5;
/** The least that a verified answer counts for when audits are drawn, lamports: free answers have a record, too. */
export const minAuditWorth = 1;
/** How likely an established provider's answer is audited, unless the person says otherwise. */
export const defaultAuditRate = 0.05;
/** The weight of a `busy` as a broken job. */
export const busyWeight = 0.1;
/** Weight of the newest measurement in the running means of speed. */
export const speedWeight = 0.3;
/** Shortest answer that counts as a measurement of speed, tokens. */
export const minSpeedTokens = 8;
/** Most providers to remember, and of each the models whose speed is measured, and whose misses are pooled. */
export const maxProviders = 1_000;
export const maxSpeeds = 16;
export const maxPools = 16;
/** Shortest interval between two writes to disk, ms. */
export const saveIntervalMs = secondMs;

/** Reliability of a provider that has just registered. */
export const newcomerReliability = 0.8;
/** Earnings, and time since the registration, from which a provider counts as established. */
export const matureEarnedLamports = 10_000_000;
export const matureAgeMs = 30 * dayMs;
/**
 * Earnings that everybody starts with when the burnt share is reckoned, so that one small rejection is not the whole.
 */
export const priorLamports = 100_000;
/** The power to which the share that was not burnt counts. */
export const rejectedWeight = 3;
/** `n` slashed jobs divide the reliability by 1 + `n` times this. */
export const slashedWeight = 4;

/** Conversations whose providers are remembered, and beginnings of each, the longest ones. */
export const maxAskedPrompts = 256;
export const maxAskedTurns = 64;

// Selection: the worth of each term, in points

/** Each doubling of the price. */
export const priceWeight = 1;
/** Each doubling of the time to the complete answer. */
export const speedTermWeight = 0.5;
/** Each halving of the share of served jobs. */
export const reliabilityWeight = 2;
/** All slots in use by this node. */
export const loadWeight = 1;
/** A provider keeps the whole prompt of the last turn. */
export const keptWeight = 1;
/** Assumed time to the first token of an unmeasured provider, ms. */
export const assumedFirstTokenMs = secondMs;
