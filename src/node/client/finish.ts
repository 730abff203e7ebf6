import { QvacError, toError } from '../../errors.ts';
import type { Logger } from '../../lib/log.ts';
import { shortPeer } from '../../lib/names.ts';
import type { AbortOptions, JobId, ModelId } from '../../lib/types.ts';
import { assess } from '../../proofs/checks.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { isDrawnForAudit } from '../../proofs/tree/challenge.ts';
import { sha256 } from '../../protocol/digests.ts';
import { type FaultCode, finish } from '../../protocol/messages.ts';
import type { VerifiedCard } from '../cards/cards.ts';
import { type Conclusion, deliverVerdict, type JudgeComponents, judge, requestOpening } from '../job/conclude.ts';
import type { Job } from '../job/job.ts';
import type { JobPayment } from '../payment/job-payment.ts';
import { settlementJson } from '../payment/outcome.ts';
import type { RefereeCount } from '../referees/reports.ts';
import { auditRateOf } from '../selection/audit-rate.ts';
import type { Experience } from '../selection/experience.ts';
import { learnFrom, poolWords } from '../selection/learning.ts';
import type { Reputation } from '../selection/reputation.ts';
import type { LocalVerifier } from '../verification/local-verifier.ts';
import type { SecondOpinion } from '../verification/second-opinion.ts';
import type { VerifyLevel } from '../verification/verification.ts';
import type { Depth } from '../verification/verifier.ts';
import {
  type Answer,
  type AnswerTiming,
  type AskObserver,
  type AuditDraw,
  type DeliveredAnswer,
  reasonFor,
} from './answer.ts';
import { type RecomputeComponents, type Recomputed, recompute } from './recompute.ts';

export interface FinishComponents extends JudgeComponents, RecomputeComponents {
  readonly verifier: LocalVerifier;
  /**
   * Re-executes an answer that failed a numeric check, or that this machine cannot re-execute. @default this machine
   * re-executes it a second time
   */
  readonly second?: SecondOpinion | undefined;
  readonly reputation: Reputation;
  readonly receipts: { save(receipt: Receipt): Promise<unknown> };
  readonly logger: Logger;
}

/** A finished job as an answer. */
export interface FinishedAnswer extends Answer {
  /** A fault in the tokens before the job (section 4.6), which is not its provider's; null if there is none. */
  readonly faultBefore: FaultCode | null;
}

/** What the parts before a job add to the figures of the whole answer. */
export interface EarlierTotals {
  /** Undefined if the question itself has a part of it. */
  readonly text: string | undefined;
  readonly tokens: number;
  readonly payableTokens: number;
  readonly costLamports: bigint;
}

export interface FinishInit {
  /** Must have received its final head. */
  readonly job: Job;
  readonly secret: Uint8Array;
  readonly payment: JobPayment;
  readonly answer: DeliveredAnswer;
  readonly earlier: EarlierTotals;
  readonly modelId: ModelId;
  /** Tokens that count for the price. */
  readonly payableTokens: number;
  readonly level: VerifyLevel;
  /** How likely an established provider's answer is audited at level `optimistic`, 0 … 1. */
  readonly auditRate: number;
  /** Referees of an answer that is not re-executed here; null: none. */
  readonly refereeCount: RefereeCount | null;
  /** The provider's card. */
  readonly provider: VerifiedCard;
  /** The most that the answer and all of its score jobs may cost, lamports. */
  readonly maxPrice: number;
  readonly timing: AnswerTiming;
  /** Of the job alone. */
  readonly ownTiming: AnswerTiming;
  /** The person stopped it: nothing is re-executed then, unless `thorough`. */
  readonly interrupted: boolean;
  readonly thorough: boolean;
}

/** How long finishing a stopped answer may take, in ms. */
export const interruptedFinishMs = 4_000;

/** How long the provider may take to read the verdict, in ms; the person does not wait for it. */
const verdictTimeoutMs = 2_000;

/**
 * After the final head of a direct job: checks the answer, stores the receipt, pays or rejects, and updates the
 * provider's reputation.
 */
export async function finishAnswer(
  components: FinishComponents,
  init: FinishInit,
  observer: AskObserver,
): Promise<FinishedAnswer> {
  const { reputation } = components;
  const { job, payment, answer, level, timing, thorough } = init;
  const interrupted = init.interrupted && !thorough;
  reputation.record(job.provider, experienceWith(init));
  reportDelivered(init, observer);
  const audit = interrupted ? null : drawAudit(components, init);
  const depth = depthOf(level, audit, interrupted);
  if (depth !== 'none') observer.checking(depth);
  const options = interrupted ? { signal: AbortSignal.timeout(interruptedFinishMs) } : {};
  const { conclusion, cutShort, panel, by } = await concludeInTime(components, init, { depth, observer }, options);
  const { assessment, faultBefore, receipt, verdict } = conclusion;
  const learned = { peer: job.provider, model: init.modelId, priceLamports: answer.costLamports };
  const farTogether = poolWords(learnFrom(reputation, learned, assessment));
  if (farTogether !== null) observer.note(`${shortPeer(job.provider)}: ${farTogether}`);
  // Before the settlement waits for the chain. A passed answer in a channel does not, and is stored once.
  const isAtOnce = payment.isInChannel && assessment.result !== 'fail';
  let storeError = isAtOnce ? null : await save(components, receipt);
  const settlement = await payment.settle({ ...conclusion, verdictDigest: sha256(verdict.body) }, options);
  await panel?.concluded;
  if (settlement !== null) storeError = await save(components, { ...receipt, settlement: settlementJson(settlement) });
  const paid = settlement !== null && (settlement.state === 'submitted' || settlement.paid > 0n);
  return {
    ...answer,
    earlier: [],
    level,
    verification: assessment,
    atFault: assessment.result === 'fail' ? job.provider : null,
    faultBefore,
    audit,
    consensus: null,
    referees: panel?.referees ?? [],
    why: by ?? reasonFor(assessment, { level, audit, interrupted }),
    receipt: job.jobId,
    storeError,
    timing,
    payment: settlement,
    tooLate: settlement !== null && (cutShort || (assessment.result === 'fail' && paid)),
    interrupted: init.interrupted,
  };
}

/** The draw for an audit of an optimistic answer; null at the other levels. */
function drawAudit({ reputation }: FinishComponents, init: FinishInit): AuditDraw | null {
  const { level, job, secret, answer, auditRate } = init;
  const { final } = job.received;
  if (level !== 'optimistic' || final === null) return null;
  const rate = auditRateOf(reputation.standing(job.provider), answer.costLamports, auditRate);
  return { rate, isDrawn: isDrawnForAudit(final.root, secret, rate) };
}

/** After Ctrl-C the person wants the prompt back, not a re-execution. */
function depthOf(level: VerifyLevel, audit: AuditDraw | null, interrupted: boolean): 'none' | Depth {
  if (level === 'optimistic') return audit?.isDrawn === true ? 'full' : 'none';
  return interrupted && level === 'full' ? 'sampling' : level;
}

/** A provider that broke off did not serve, however well it ended what it had sent. */
function experienceWith({ answer, modelId, ownTiming }: FinishInit): Experience {
  if (answer.finish === finish.brokenOff) return { kind: 'aborted' };
  const { firstTokenMs, totalMs } = ownTiming;
  return { kind: 'served', model: modelId, n: answer.tokens, firstTokenMs: firstTokenMs ?? totalMs, totalMs };
}

/** The provider ended the answer early: what it had sent is signed. */
export function truncated({ provider, tokens }: Pick<Answer, 'provider' | 'tokens'>): QvacError {
  return new QvacError('E_TRUNCATED', `${shortPeer(provider)} broke off after ${tokens} tokens`, {
    details: { peer: provider },
  });
}

/** The same error, with the receipt of what arrived. */
export function withReceipt(error: QvacError, receipt: JobId): QvacError {
  const hint = `what arrived: qvac receipts show ${receipt.slice(0, 8)}`;
  return new QvacError(error.code, error.message, {
    hint: error.hint === undefined ? hint : `${error.hint}; ${hint}`,
    cause: error,
    details: { ...error.details, receipt },
    quoted: error.quoted,
  });
}

function reportDelivered({ job, answer, earlier, payableTokens }: FinishInit, observer: AskObserver): void {
  const { final, promptTokens } = job.received;
  if (final === null) return;
  observer.delivered?.({
    finish: final.finish,
    promptTokens: promptTokens.length - earlier.tokens,
    tokens: earlier.tokens + answer.tokens,
    payableTokens: earlier.payableTokens + payableTokens,
    costLamports: earlier.costLamports + answer.costLamports,
    receipt: job.jobId,
  });
}

/** Checks the answer, within the time in which it can still be rejected. */
async function concludeInTime(
  components: FinishComponents,
  init: FinishInit,
  { depth, observer }: { readonly depth: 'none' | Depth; readonly observer: AskObserver },
  options: AbortOptions,
): Promise<Pick<Recomputed, 'panel' | 'by'> & { readonly conclusion: Conclusion; readonly cutShort: boolean }> {
  const { verifier, second, logger } = components;
  const { job, secret, payment } = init;
  const leftLamports = BigInt(init.maxPrice) - init.answer.costLamports;
  let helpers: Pick<Recomputed, 'panel' | 'by'> = { panel: null, by: null };
  // Only a re-execution takes long enough to miss the window.
  const window = depth === 'full' ? payment.openWindow() : null;
  try {
    const fault = depth === 'none' ? null : await openedInTime(job, secret, options);
    if (depth !== 'none' && fault === null && job.received.openingSigned === null && options.signal?.aborted !== true)
      observer.note('the network of this machine failed before the provider could show its steps: none were checked');
    const conclusion = await judge(
      components,
      job,
      {
        fault,
        second,
        until: window?.until,
        check: async (receipt, checking) => {
          if (depth === 'none') return assess(receipt, {});
          // Without an opening it fails: nobody else is to be shown it, or paid.
          if (depth === 'sampling' || fault !== null) return verifier.check(receipt, depth, checking);
          const asked = { ...init, leftLamports, textBefore: init.earlier.text };
          const recomputed = await recompute(components, asked, { receipt, observer }, checking);
          helpers = recomputed;
          return recomputed.assessment;
        },
      },
      options,
    );
    const { assessment, verdict } = conclusion;
    const release = await payment.release({ assessment, verdictDigest: sha256(verdict.body) });
    const delivering = { signal: AbortSignal.timeout(verdictTimeoutMs) };
    payment.delivered(await deliverVerdict(job, { verdict, release }, logger, delivering));
    const cutShort = window?.until?.aborted === true && conclusion.assessment.result === 'inconclusive';
    return { conclusion, cutShort, ...helpers };
  } finally {
    window?.close();
  }
}

/** Within the time that a person who stopped the answer waits; no opening until then is no fault. */
async function openedInTime(job: Job, secret: Uint8Array, options: AbortOptions): Promise<FaultCode | null> {
  try {
    return await requestOpening(job, secret, options);
  } catch (error) {
    if (options.signal?.aborted !== true) throw error;
    return null;
  }
}

async function save({ receipts }: FinishComponents, receipt: Receipt): Promise<Error | null> {
  try {
    await receipts.save(receipt);
    return null;
  } catch (error) {
    return toError(error);
  }
}
