/** The numbers and names that stand for a choice in messages. */

/** When the secret is revealed (sections 4 and 4.3). */
export const modes = { none: 0, merkle: 1, fraud: 2, zk: 3, score: 4 } as const;
export type Mode = (typeof modes)[keyof typeof modes];
/** A mode as a card names it. */
export type ModeName = keyof typeof modes;
export const modeNames = Object.keys(modes) as readonly ModeName[];

export function modeName(mode: Mode): ModeName {
  const name = modeNames.find((one) => modes[one] === mode);
  if (name === undefined) throw new RangeError(`"mode" expected 0 to 4, got ${mode}`);
  return name;
}

/** Why an answer ended, as a head says it (sections 4.1 and 4.2). */
export const finish = {
  /** The last token is a stop token. */
  stopToken: 0,
  /** `maxTokens` were generated. */
  length: 1,
  /** The client stopped it. */
  cancelled: 2,
  /** The provider broke off; another job may continue the answer. */
  brokenOff: 3,
  /** A score job. */
  scored: 4,
  /** The last token completes a stop text, or the grammar allows no token after it. */
  stopText: 5,
  /** The head is not final. */
  notFinal: 255,
} as const;
export type Finish = (typeof finish)[keyof typeof finish];

/** What an offer pays from (section 4). */
export const payFrom = { nothing: 0, jobAccount: 1, channel: 2 } as const;
export type PayFrom = (typeof payFrom)[keyof typeof payFrom];

/** What an acknowledgement asks for (sections 4 and 9). */
export const ackStop = {
  goOn: 0,
  /** End the answer here. */
  cancel: 1,
  /** Close the channel: the client has no objection. */
  noObjection: 2,
} as const;
export type AckStop = (typeof ackStop)[keyof typeof ackStop];

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

/** Fault codes in the order of section 5. */
export const faultCodes = [
  'equivocation',
  'bad-opening',
  'sampler-mismatch',
  'prefix-break',
  'mask-break',
  'bad-proof',
  'bad-length',
  'silence',
  'bad-signature',
  'bad-receipt',
  'bad-vectors',
  'root-mismatch',
  'prompt-mismatch',
  'text-mismatch',
  'exact-mismatch',
  'distribution-far',
  'draws-far',
  'vectors-far',
  'referee-far',
] as const;
export type FaultCode = (typeof faultCodes)[number];

export const results = ['pass', 'fail', 'inconclusive'] as const;
export type Result = (typeof results)[number];
export const tiers = ['sampling', 'text', 'exact', 'statistical'] as const;
export type Tier = (typeof tiers)[number];

/** Message kinds as they are signed (section 1). */
export const kinds = {
  card: 'qvac/card/1',
  quote: 'qvac/quote/1',
  offer: 'qvac/offer/1',
  ack: 'qvac/ack/1',
  head: 'qvac/head/1',
  opening: 'qvac/open/1',
  score: 'qvac/score/1',
  verdict: 'qvac/verdict/1',
  channel: 'qvac/channel/1',
} as const;
export type Kind = (typeof kinds)[keyof typeof kinds];
