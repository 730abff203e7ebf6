import type { JobId, ModelId, PeerIdString } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import type { Vectors } from '../../proofs/embedding/vectors.ts';
import type { FaultError } from '../../proofs/fault.ts';
import type { FaultCode, Finish } from '../../protocol/messages.ts';
import type { Settlement } from '../payment/payments.ts';
import type { RefereeCount, RefereeEstimate, RefereeReport } from '../referees/reports.ts';
import { faultyVerification, type Verification, type VerifyLevel } from '../verification/verification.ts';

export interface AnswerModel {
  readonly name: string;
  readonly quant: string;
  readonly id: ModelId;
}

export interface AnswerTiming {
  /** From the question to the first token; null if no token arrived. */
  readonly firstTokenMs: number | null;
  /** From the question to the final head. */
  readonly totalMs: number;
  /** Between the first and the last token; null for fewer than two. */
  readonly tokensPerSecond: number | null;
}

/** The draw for an audit of an optimistic answer. */
export interface AuditDraw {
  /** How likely it was, 0 … 1. */
  readonly rate: number;
  readonly isDrawn: boolean;
}

/** How far several providers' answers to one question agree. */
export interface Consensus {
  /** Answers that agree with the one that is shown, itself included. */
  readonly agreed: number;
  /** Answers that were compared. */
  readonly of: number;
  /** In the order in which they were chosen. */
  readonly members: readonly ConsensusMember[];
}

export interface ConsensusMember {
  readonly peer: PeerIdString;
  /** Null without a receipt. */
  readonly receipt: JobId | null;
  /** How many answers agree with its own, itself included; null if it gave none that could be compared. */
  readonly agreed: number | null;
  readonly faults: readonly FaultCode[];
  /** Why it gave no answer; null if it did. */
  readonly why: string | null;
}

/** The part of an answer whose provider broke off, so that another one continued it (section 4.6). */
export interface EarlierPart {
  readonly provider: PeerIdString;
  /** Tokens of the answer that it wrote. */
  readonly tokens: number;
  /** Null if it signed no head over any of them, or the receipt could not be stored. */
  readonly receipt: JobId | null;
  /** What the checks of its receipt found; null without one. */
  readonly verification: Verification | null;
  /** The most that it is paid at the signed prices. */
  readonly costLamports: bigint;
  /** Null if nothing was locked for it. */
  readonly payment: Settlement | null;
}

/** One answer, with its check, its price and its payment. */
export interface Answer {
  /** Of the whole answer, like `tokens`, `verification` and `costLamports`. */
  readonly text: string;
  /** Of texts that were embedded (section 4.9), as the model gave them. @default null: it is an answer */
  readonly vectors?: Vectors | null | undefined;
  /** Number of tokens, including the stop token; of vectors their number. */
  readonly tokens: number;
  /** The parts of other providers before that of `provider`; empty if one wrote it all. */
  readonly earlier: readonly EarlierPart[];
  /** Null if a fault ended the answer before its final head. */
  readonly finish: Finish | null;
  readonly provider: PeerIdString;
  readonly router: PeerIdString | null;
  readonly model: AnswerModel;
  /** The requested level, or the one that the default resolved to. */
  readonly level: VerifyLevel;
  readonly verification: Verification;
  /** The provider whose part failed a check; null if none did. */
  readonly atFault: PeerIdString | null;
  /** Whether an optimistic answer was drawn for an audit; null at the other levels. */
  readonly audit: AuditDraw | null;
  /** How far the answers of several providers agree; null if one was asked. */
  readonly consensus: Consensus | null;
  /** The peers that were asked to score it, in the order of their draw. */
  readonly referees: readonly RefereeReport[];
  /** What the checks found, or why they stopped where they did, in a few words; null if there is nothing to add. */
  readonly why: string | null;
  /** Null without a final head: such an answer has no receipt. */
  readonly receipt: JobId | null;
  /** Why the receipt could not be stored, or null. */
  readonly storeError: Error | null;
  readonly timing: AnswerTiming;
  /** The cost at the signed prices. */
  readonly costLamports: bigint;
  /** The most that providers asked before can be paid that gave no token. @default none */
  readonly lostLamports?: bigint | undefined;
  /** The state of the escrow payment; null if nothing was locked for this answer. */
  readonly payment: Settlement | null;
  /** True if the provider was paid because the checks ended too late to reject. */
  readonly tooLate: boolean;
  /** True if the person stopped it. */
  readonly interrupted: boolean;
}

/** The part of an answer that follows from its frames and signed prices, before any check. */
export type DeliveredAnswer = Pick<
  Answer,
  'text' | 'vectors' | 'tokens' | 'finish' | 'provider' | 'router' | 'model' | 'costLamports'
>;

/** The peer that will see the prompt, reported before the prompt leaves. */
export interface Destination {
  readonly kind: 'provider' | 'router';
  readonly peer: PeerIdString;
  /** The model: as the provider offers it, or as the router is asked for it. */
  readonly model: string;
  /** The most that the answer can cost; null if a router chooses the provider. */
  readonly priceLamports: bigint | null;
  readonly level: VerifyLevel;
}

/** A complete answer, before its checks. */
export interface Delivered {
  readonly finish: Finish;
  readonly promptTokens: number;
  /** Including the stop token. */
  readonly tokens: number;
  /** Tokens that count for the price: after a cancel, at most 32 more than had arrived by then. */
  readonly payableTokens: number;
  readonly costLamports: bigint;
  readonly receipt: JobId;
}

/** Receives the progress of a question. */
export interface AskObserver {
  /** The prompt is about to be sent to this one peer. */
  sending(to: Destination): void;
  /** A router chose this provider; its answer may cost up to `priceLamports`. */
  picked(provider: PeerIdString, model: AnswerModel, priceLamports?: bigint): void;
  /**
   * The provider accepted the question, with this number of prompt tokens, for this model. `tail` is the end of the
   * rendered prompt, which shows what is open when the answer begins.
   */
  accepted?(promptTokens: number, model: AnswerModel, tail: string): void;
  /** The provider has computed so many of the prompt's tokens. */
  prompted?(done: number, total: number): void;
  /** A piece of the answer. The next is read once this resolves, so a slow reader slows the provider down. */
  text(piece: string): Promise<void> | void;
  /** A provider did not answer, for this reason; another one is asked. */
  turned(from: PeerIdString, reason: string): void;
  /** A provider broke off after this many tokens of the answer, for this reason; another one continues it. */
  brokeOff?(provider: PeerIdString, tokens: number, reason: string): void;
  /** One line for the person. */
  note(line: string): void;
  /** The answer is complete. */
  delivered?(delivered: Delivered): void;
  /** This amount is being locked for the answer. */
  locking?(lamports: bigint): void;
  /** The checks of the answer begin. */
  checking(level: VerifyLevel): void;
  /**
   * Once the answer is there, this many other providers will see it and the prompt, reported before it leaves.
   * @param isByChance only if the answer is drawn for an audit
   */
  toReferees?(count: RefereeCount, estimate: RefereeEstimate, isByChance: boolean): void;
  /** Referees are being asked, this many at first. */
  refereeing?(count: RefereeCount): void;
}

/** Receives nothing. */
export const silentObserver: AskObserver = {
  sending: () => undefined,
  picked: () => undefined,
  text: () => undefined,
  turned: () => undefined,
  note: () => undefined,
  checking: () => undefined,
};

/** An answer that broke a rule before its final head: it has no receipt, and nothing is paid for it. */
export function faultyAnswer(
  base: Pick<Answer, 'text' | 'tokens' | 'finish' | 'provider' | 'router' | 'model' | 'level' | 'timing'>,
  { fault, detail }: FaultError,
  payment: Settlement | null = null,
): Answer {
  return {
    ...base,
    earlier: [],
    verification: faultyVerification(fault),
    atFault: base.provider,
    audit: null,
    consensus: null,
    referees: [],
    why: detail,
    receipt: null,
    storeError: null,
    costLamports: 0n,
    payment,
    tooLate: false,
    interrupted: false,
  };
}

/** Why the checks of an answer stopped where they did, in a few words for people; null if there is nothing to add. */
export function reasonFor(
  { result, tier, checks }: Assessment,
  {
    level,
    audit,
    interrupted,
  }: { readonly level: VerifyLevel; readonly audit: AuditDraw | null; readonly interrupted: boolean },
): string | null {
  if (result === 'fail') return checks.find((check) => check.result === 'fail')?.detail ?? null;
  if (level === 'none') return 'nothing opened, as asked';
  if (audit?.isDrawn === false) return `taken on trust: ${oddsOf(audit.rate)} audited`;
  const inconclusive = checks.find((check) => check.result === 'inconclusive');
  if (inconclusive !== undefined) return inconclusive.detail;
  if (tier === 'exact' || tier === 'statistical') return null;
  if (interrupted) return 'stopped';
  return level === 'full'
    ? 'the model could not be re-executed here'
    : tier === 'text'
      ? 'not re-executed'
      : 'the model is not on this machine';
}

function oddsOf(rate: number): string {
  return rate === 0 ? 'no answer is' : `1 answer in ${Math.round(1 / rate)} is`;
}
