import type { Input, SamplerSettings } from '../../../protocol/messages.ts';
import type { AnswerExtra } from '../../job/answer-extra.ts';
import type { AnswerSoFar } from '../../job/answer-so-far.ts';
import type { JobTimeouts } from '../../job/job.ts';
import type { JobComponents } from '../../job/open-job.ts';
import type { PayPolicy } from '../../payment/channel/channels.ts';
import type { ClientPayments } from '../../payment/payments.ts';
import type { RefereeCount } from '../../referees/reports.ts';
import type { Choice } from '../../selection/select.ts';
import type { VerifyLevel } from '../../verification/verification.ts';
import type { Answer } from '../answer.ts';
import type { BrokenPart } from '../broken-part.ts';
import type { EarlierTotals, FinishComponents, FinishedAnswer } from '../finish.ts';
import type { Stopwatch } from '../stopwatch.ts';

export interface DirectComponents extends JobComponents, FinishComponents {
  /** @default null: no provider is paid */
  readonly payments?: ClientPayments | null | undefined;
}

export interface DirectInit {
  readonly choice: Choice;
  /** With the continuation, and what remains of the answer's length. */
  readonly input: Input;
  readonly sampler: SamplerSettings;
  /** The answer that this provider continues; nothing of it for the first. */
  readonly soFar: AnswerSoFar;
  readonly earlier: EarlierTotals;
  readonly extra: AnswerExtra;
  /** Steps to open. */
  readonly count: number;
  /** Lamports. */
  readonly maxPrice: number;
  /** Whether a channel may pay. @default as the wallet's policy says */
  readonly pay?: PayPolicy | undefined;
  /** The most that may be deposited in that channel. @default as the wallet's policy says */
  readonly maxDepositLamports?: bigint | undefined;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  readonly level: VerifyLevel;
  /** Referees if the model is not re-executed here; null: none. @default null */
  readonly refereeCount?: RefereeCount | null | undefined;
  /** How likely an established provider's answer is audited at level `optimistic`, 0 … 1. */
  readonly auditRate: number;
  readonly timeouts: Partial<JobTimeouts>;
  readonly stopwatch: Stopwatch;
  /** Checks a stopped answer like any other. */
  readonly thorough: boolean;
}

/** One provider's answer, or why another provider may be asked: it gave no token, or it broke off after some. */
export type DirectOutcome =
  | { readonly answer: Answer | FinishedAnswer }
  | { readonly answer: null; readonly error: Error; readonly broken: BrokenPart }
  | {
      readonly answer: null;
      readonly error: Error;
      readonly broken: null;
      /** The most that the provider can be paid all the same, lamports. */
      readonly lostLamports: bigint;
      /** The same provider may be asked again: it will be paid otherwise. @default false */
      readonly again?: boolean;
    };
