/** Every number and name that the protocol fixes (docs/PROTOCOL.md). Sizes in bytes unless the name says otherwise. */

/** Stream protocols (sections 3, 4, 4.0, 4.9, 7.1 and 9). */
export const cardProtocol = '/qvac/card/1.0.0';
export const quoteProtocol = '/qvac/quote/1.0.0';
export const jobProtocol = '/qvac/job/1.0.0';
export const embedProtocol = '/qvac/embed/1.0.0';
export const routeProtocol = '/qvac/route/1.0.0';
export const auditProtocol = '/qvac/audit/1.0.0';
export const channelProtocol = '/qvac/channel/1.0.0';
export const dialBackProtocol = '/qvac/dial-back/1.0.0';

const kib = 1024;
const mib = 1024 * kib;

/** Most bytes of one frame's CBOR, by type (section 4). The opening of a score job may have `maxScoreOpeningBytes`. */
export const frameLimits = {
  offer: 4 * mib,
  accept: 4 * mib,
  tokens: 64 * kib,
  opening: mib,
  card: 64 * kib,
  quote: 64 * kib,
  vectors: mib,
  head: 64 * kib,
  verdict: 64 * kib,
  ask: 4 * kib,
  propose: 4 * kib,
  terms: 4 * kib,
  route: 4 * mib,
  picked: 256 * kib,
  receipt: 8 * mib,
  audit: 8 * mib,
  challenge: 4 * kib,
  ack: 4 * kib,
  dial: 4 * kib,
  dialled: 4 * kib,
  beat: 4 * kib,
  progress: 4 * kib,
  busy: 4 * kib,
  stop: 4 * kib,
  error: 4 * kib,
} as const;
/** Section 4.7. */
export const maxScoreOpeningBytes = 8 * mib;
/** Tokens of one score job that are served: the opening of each takes at most 398 bytes. */
export const maxScoredTokens = 20_000;

/**
 * Depth to which CBOR and JSON may nest; no message has more than six levels. A stranger's bytes must not exhaust the
 * stack.
 */
export const maxCborDepth = 16;
export const maxJsonDepth = 64;
/**
 * Texts, byte strings, lists and maps in one decoded value: an empty one is a byte on the wire and a hundred in memory.
 */
export const maxDecodedValues = 2 ** 19;

/** Code points of the rendering's end in an `accept` frame (section 4). */
export const maxTailCodePoints = 256;
/** Tokens between two heads (section 4). */
export const headIntervalTokens = 32;
/** Time that a token may wait for others, and bytes that are sent without waiting (section 4). */
export const flushMs = 20;
export const flushBytes = kib;
/** Silence after which a heartbeat is sent (sections 4 and 4.0). */
export const heartbeatMs = 2_000;
/** Time for an opening after the challenge, and for a challenge at a router (sections 4.0 and 4.3). */
export const openingTimeoutMs = 30_000;
/** In a card's `can` (section 3): the provider keeps prompts, so that it is cheaper to go on with one. */
export const keepsPrompts = 'prefix';
/** Time after the final head during which an opening can be asked for (section 4.3). */
export const keepMs = 600_000;
/** Longest life of an offer (section 4). */
export const maxOfferLifeMs = 600_000;
/** How far in the future an offer may be issued, for clocks that differ (section 4). */
export const maxClockSkewMs = 60_000;
/** Providers that are tried for one question, one after another, without a new token between them (section 4.6). */
export const maxTriedProviders = 3;
/** Providers that write one answer, one after another (section 4.6). */
export const maxAnswerParts = 8;

export const cardLifeMs = 600_000;
export const cardRenewalMs = 300_000;
export const quoteLifeMs = 60_000;

/** Ranges of an offer's fields (section 4). Temperature, minP and topP in hundredths. */
export const maxTemperature = 200;
export const maxMinP = 100;
export const maxTopP = 100;
export const maxTopK = 20;
export const maxScoreTopK = 40;
export const minChallenges = 2;
export const maxChallenges = 256;
export const maxStops = 8;
export const maxPaidTokens = 65_536;
/** Steps that are opened unless someone asks for another number (section 6). */
export const defaultChallenges = 16;

/** Tokens paid beyond an acknowledged count (section 3). */
export const minGraceTokens = 32;
export const maxGraceTokens = 1_024;
/** Time from the payment by which a provider can finish (section 3). */
export const minDeliverWithinS = 60;
export const maxDeliverWithinS = 86_400;
/** Added to the bytes of an input if its tokens cannot be counted (section 3). */
export const promptBoundBytes = 256;
/** Time without a higher acknowledged count, and in all, after which a provider breaks off (section 4). */
export const ackStallMs = 30_000;
export const maxAckWaitMs = 60_000;

/** Bounds of `extra` (section 4.1). Presence and frequency, and biases, in 1024ths of a nat. */
export const maxPenaltyQ = 2_048;
export const maxBiases = 300;
export const maxBiasQ = 102_400;
export const maxStopTexts = 32;

/** Bounds of a grammar (section 4.1). */
export const maxGrammarRules = 4_096;
export const maxGrammarBytes = 64 * kib;
/** Bound of an input's `tools` text (section 2). */
export const maxToolsBytes = mib;

/**
 * Tokens that follow the candidates and are looked at, too (section 4.4); a score job's topK is greater by as many
 * (4.7).
 */
export const followingTokens = 20;
/** Referees whose score jobs one result rests on (section 4.7). */
export const maxReferees = 3;
/** Providers that answer one question, to be compared. */
export const consensusMembers = 3;

/** Bounds of one embedding job (section 4.9): texts, numbers in all of its vectors, and tokens of all of its texts. */
export const maxEmbeddedTexts = 256;
export const maxEmbeddedNumbers = 2 ** 20;
export const maxEmbeddedTokens = 2 ** 17;
/** Most numbers of one vector. */
export const maxDimensions = 2 ** 14;

/** Bounds of mode zk (section 4.8). */
export const zkCircuitSteps = 16;
export const maxZkChallenges = 128;
export const maxZkVocab = 2 ** 18;
export const zkSystem = 'spartan2-bn254/1';

/** Longest time from the terms of a channel to its opening (section 9). */
export const maxTermsLifeS = 120;
/** Time after a job's end during which it need not be released for the next job (section 9). */
export const channelReleaseS = 60;
