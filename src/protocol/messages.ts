/** The messages of the protocol (sections 2 to 4 and 9): their types, and the codes in them. */

export * from './codes.ts';
export type { GrammarRules } from './grammar/rules.ts';
export type { ChatMessage, Input } from './input/input.ts';
export type { Ack } from './layouts/ack.ts';
export type { ChannelTerms } from './layouts/channel-terms.ts';
export type { Head } from './layouts/head.ts';
export type { Offer, OfferTerms, Payment, Sampler, SamplerSettings } from './layouts/offer.ts';
export type { Card, CardModel } from './messages/card.ts';
export type { Exec } from './messages/exec.ts';
export type { ExtraSettings } from './messages/extra.ts';
export type {
  Candidate,
  OpenedStep,
  OpenedVector,
  Opening,
  ProvedStep,
  ScoredStep,
  ScoreOpening,
  VectorOpening,
  ZkOpening,
} from './messages/opening.ts';
export type { Pay } from './messages/pay.ts';
export type { Quote } from './messages/quote.ts';
export type { Verdict } from './messages/verdict.ts';

/** A message as sent and stored: the signed bytes and the 64-byte signature. */
export interface Signed {
  readonly body: Uint8Array;
  readonly sig: Uint8Array;
}
