/** Every number and name that the protocol fixes. Times in ms, sizes in bytes. */

/** Section 3. */
export const cardProtocol = '/qvac/card/1.0.0';
export const quoteProtocol = '/qvac/quote/1.0.0';
/** Section 4. */
export const jobProtocol = '/qvac/job/1.0.0';
/** Section 4.0. */
export const routeProtocol = '/qvac/route/1.0.0';
export const auditProtocol = '/qvac/audit/1.0.0';

const kib = 1024;
const mib = 1024 * kib;

/** Most bytes of one frame's CBOR, by type (section 4). */
export const frameLimits = {
  offer: 4 * mib,
  accept: 4 * mib,
  tokens: 64 * kib,
  opening: mib,
  card: 64 * kib,
  quote: 64 * kib,
  head: 64 * kib,
  verdict: 64 * kib,
  ask: 4 * kib,
  route: 4 * mib,
  picked: 256 * kib,
  receipt: 8 * mib,
  audit: 8 * mib,
  challenge: 4 * kib,
  cancel: 4 * kib,
  beat: 4 * kib,
  busy: 4 * kib,
  stop: 4 * kib,
  error: 4 * kib,
} as const;

/** Tokens between two heads (section 4). */
export const headInterval = 32;
/** Longest that a token waits for company, and bytes that are sent without waiting (section 4). */
export const flushMs = 20;
export const flushBytes = kib;
/** Silence after which a heartbeat is sent (sections 4 and 4.0). */
export const heartbeatMs = 2_000;
/** An opening is due so long after the challenge; a router waits as long for a challenge (sections 4.0 and 4.3). */
export const openingTimeoutMs = 30_000;
/** How long after the final head an opening can be asked for (section 4.3). */
export const keepMs = 600_000;
/** Longest life of an offer (section 4). */
export const maxOfferLifeMs = 600_000;
/** How far in the future an offer may be issued, for clocks that differ (section 4). */
export const maxClockSkewMs = 60_000;
/** Providers that a router tries for one question (section 4.0). */
export const maxRouteProviders = 3;

export const cardLifeMs = 600_000;
export const cardRenewalMs = 300_000;
export const quoteLifeMs = 60_000;

/** Bounds of an offer's fields (section 4). */
export const maxTemperature = 200;
export const maxMinP = 100;
export const maxTopK = 20;
export const minChallenges = 2;
export const maxChallenges = 256;
export const maxStops = 64;
/** Steps that are opened unless someone asks for another number (section 6). */
export const defaultChallenges = 16;

/** Tokens beyond a cancel's `n` that are still paid for (section 3). */
export const cancelGraceTokens = 32;
/** What is added to the bytes of an input where its tokens cannot be counted (section 3). */
export const promptBoundBytes = 256;

/** Codes of an `error` frame (section 4); those from `not-served` on are a router's. */
const errorCodes = [
  'bad-frame',
  'bad-offer',
  'bad-input',
  'no-model',
  'gone',
  'internal',
  'not-served',
  'limit',
  'no-provider',
  'too-dear',
  'timeout',
  'stopped',
  'failed',
] as const;
export type PeerErrorCode = (typeof errorCodes)[number];

/** The known code in `code`; an unknown one counts as `internal` (section 4). */
export function peerErrorCode(code: string): PeerErrorCode {
  return errorCodes.find((known) => known === code) ?? 'internal';
}
