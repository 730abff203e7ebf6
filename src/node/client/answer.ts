import type { JobId, ModelId, PeerIdString } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import type { FaultError } from '../../proofs/fault.ts';
import type { Finish } from '../../protocol/messages.ts';
import type { Settlement } from '../payment/payments.ts';
import { faultyVerification, type Verification, type VerifyLevel } from '../verification/verification.ts';

export interface AnswerModel {
  readonly name: string;
  readonly quant: string;
  readonly id: ModelId;
}

export interface AnswerTiming {
  /** From the question to the first token, null where none came. */
  readonly firstTokenMs: number | null;
  /** From the question to the final head. */
  readonly totalMs: number;
  /** From the first token to the last, null for fewer than two. */
  readonly tokensPerSecond: number | null;
}

/** One answer and what is known of it. */
export interface Answer {
  readonly text: string;
  /** Tokens, the stop token included. */
  readonly tokens: number;
  /** Null where a fault ended the answer before its final head. */
  readonly finish: Finish | null;
  readonly provider: PeerIdString;
  readonly router: PeerIdString | null;
  readonly model: AnswerModel;
  /** What was asked for, or what the default came to. */
  readonly level: VerifyLevel;
  readonly verification: Verification;
  /** Why the checks went no further, or what was found; a few words, null where nothing is to be said. */
  readonly why: string | null;
  /** Null where there is no final head to make one of. */
  readonly receipt: JobId | null;
  /** What kept the receipt from being stored, or null. */
  readonly storeError: Error | null;
  readonly timing: AnswerTiming;
  /** What it costs by the signed prices. */
  readonly costLamports: bigint;
  /** What became of the money that was locked for it; null where none was. */
  readonly payment: Settlement | null;
  /** The money went to the provider because the checks came too late to hold it back. */
  readonly tooLate: boolean;
  /** The person stopped it. */
  readonly interrupted: boolean;
}

/** What is known of an answer by its text and its signed prices alone. */
export type DeliveredAnswer = Pick<
  Answer,
  'text' | 'tokens' | 'finish' | 'provider' | 'router' | 'model' | 'costLamports'
>;

/** Who will see the prompt, told before it leaves. */
export interface Destination {
  readonly kind: 'provider' | 'router';
  readonly peer: PeerIdString;
  /** The model that is asked: as the provider offers it, or as a router is told. */
  readonly model: string;
  /** The most that it can cost, null where a router is left to choose. */
  readonly priceLamports: bigint | null;
  readonly level: VerifyLevel;
}

/** What is known once the answer is whole and before it is checked. */
export interface Delivered {
  readonly finish: Finish;
  readonly promptTokens: number;
  /** The stop token included. */
  readonly tokens: number;
  /** Of these, those that count for the price: after a cancel at most 32 more than had come. */
  readonly payableTokens: number;
  readonly costLamports: bigint;
  readonly receipt: JobId;
}

/** Hears how a question goes. */
export interface AskObserver {
  /** The prompt is about to leave for this one peer. */
  sending(to: Destination): void;
  /** A router turned to this provider, whose answer may cost so much. */
  picked(provider: PeerIdString, model: AnswerModel, priceLamports?: bigint): void;
  /** The provider took the question, which is so many tokens long, for this model. */
  accepted?(promptTokens: number, model: AnswerModel): void;
  /** A piece of the answer; a slow reader holds up the provider. */
  text(piece: string): Promise<void> | void;
  /** One provider did not answer, and why; another is asked. */
  turned(from: PeerIdString, reason: string): void;
  /** One line of news. */
  note(line: string): void;
  /** The answer is whole. */
  delivered?(delivered: Delivered): void;
  /** So much is being locked for it. */
  locking?(lamports: bigint): void;
  /** It is being checked. */
  checking(level: VerifyLevel): void;
}

/** An answer that broke a rule before its final head: there is no receipt, and nothing to pay. */
export function faultyAnswer(
  base: Pick<Answer, 'text' | 'tokens' | 'finish' | 'provider' | 'router' | 'model' | 'level' | 'timing'>,
  { fault, detail }: FaultError,
  payment: Settlement | null = null,
): Answer {
  return {
    ...base,
    verification: faultyVerification(fault),
    why: detail,
    receipt: null,
    storeError: null,
    costLamports: 0n,
    payment,
    tooLate: false,
    interrupted: false,
  };
}

/** Why an answer was checked no further than it was, in a few words for people; null where nothing is to be said. */
export function reasonFor(
  { result, tier, checks }: Assessment,
  { level, interrupted }: { readonly level: VerifyLevel; readonly interrupted: boolean },
): string | null {
  if (result === 'fail') return checks.find((check) => check.result === 'fail')?.detail ?? null;
  if (level === 'none') return 'nothing opened, as asked';
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
