import { equalBytes } from '../../lib/bytes.ts';
import { finish } from '../../protocol/codes.ts';
import { followingTokens } from '../../protocol/constants.ts';
import { requestDigestOf } from '../../protocol/digests.ts';
import type { Result } from '../../protocol/messages.ts';
import { CheckRun } from '../checks/check-run.ts';
import type { Evidence } from '../checks/evidence.ts';
import { checkExecution, resultOf } from '../checks/execution.ts';
import { isSameList } from '../checks/same-list.ts';
import { logitsOf } from '../checks/score-opening.ts';
import { noStatistics } from '../checks/statistics.ts';
import { type Subject, subjectOf } from '../checks/subject.ts';
import { assess } from '../checks.ts';
import type { Receipt } from '../receipt.ts';
import { piecesIn } from '../text/scored-text.ts';
import type { Comparison } from './referees.ts';

/** What the asker of a referee adds to the two receipts. */
export interface ComparisonEvidence extends Pick<Evidence, 'vocabulary' | 'calibration'> {
  /** The text that was shown of the tokens before the job (section 4.6). @default not known */
  readonly textBefore?: string | undefined;
}

/**
 * Section 4.7: compares an answer with what a referee computed for it, without the model. A referee that renders the
 * prompt to other tokens, or whose model has another vocabulary or other stops, found `prompt-mismatch`; one whose text
 * of the tokens is another, `text-mismatch`.
 * @param receipt of the answer under test, which passes checks 1 to 4
 * @param scoreReceipt of the referee's score job
 * @param evidence the vocabulary if the answer has a grammar, and a calibration
 * @returns null if the score job says nothing: its own checks do not pass, or it is of another answer
 * @throws MalformedError if one of the receipts is malformed
 */
export function compareWithReferee(
  receipt: Receipt,
  scoreReceipt: Receipt,
  evidence: ComparisonEvidence = {},
): Comparison | null {
  const subject = subjectOf(receipt);
  const score = subjectOf(scoreReceipt);
  const { vocabulary, calibration, textBefore } = evidence;
  if (score.scoreOpening === null || !isScoreOf(score, subject)) return null;
  if (assess(scoreReceipt, { vocabulary }).result !== 'pass') return null;
  const { execClass, provider } = score.offer;
  const { jobId } = score;
  const about = { jobId, referee: provider };
  if (!isSameModel(score, subject) || !isSameList(scoreReceipt.promptTokens, renderingOf(subject)))
    return { ...about, result: 'fail', fault: 'prompt-mismatch', tier: 'text', ...noStatistics };
  const text = compareTexts(subject, scoreReceipt.text, textBefore);
  if (text === null) return null;
  if (text !== 'pass') {
    const fault = text === 'fail' ? 'text-mismatch' : null;
    return { ...about, result: text, fault, tier: 'text', ...noStatistics };
  }
  const replay = {
    tier: isSameExactClass(subject, execClass) ? 'exact' : 'statistical',
    execClass,
    steps: score.scoreOpening.steps.map(logitsOf),
  } as const;
  const run = new CheckRun();
  const { tier, statistics, inContinuation, pooled } = checkExecution(run, subject, {
    vocabulary,
    calibration,
    replay,
  });
  return {
    ...about,
    result: resultOf(run, subject),
    fault: run.failure?.fault ?? null,
    tier: run.failure?.tier ?? tier ?? replay.tier,
    inContinuation,
    pooled,
    ...statistics,
  };
}

/** Whether a referee of this class has the provider's bits: only where no other job shared a call (section 2). */
function isSameExactClass({ offer, receipt }: Subject, execClass: Uint8Array): boolean {
  return equalBytes(execClass, offer.execClass) && receipt.exec?.sequences === 1;
}

function renderingOf({ receipt: { promptTokens }, continuation }: Subject): readonly number[] {
  return promptTokens.slice(0, promptTokens.length - continuation.length);
}

/** Check 5 without the tokenizer: the offer's vocabulary and stops are those of the model as the referee has it. */
function isSameModel({ offer: { sampler } }: Subject, { offer }: Subject): boolean {
  return sampler.vocab === offer.sampler.vocab && isSameList(sampler.stops, offer.sampler.stops);
}

/**
 * Check 5 without the tokenizer: the job's text is what its tokens spell. Of the text before it, which another job
 * wrote, a difference says nothing about this one.
 * @param said by the referee; empty: it says nothing of the text
 * @returns null if it is malformed
 */
function compareTexts(
  { receipt, offer, head, answer, settings }: Subject,
  said: string,
  before: string | undefined,
): Result | null {
  if (said === '') return 'pass';
  const pieces = piecesIn(said, answer.length, settings.markers === true);
  if (pieces === null) return null;
  const { start } = offer;
  if (pieces.between(start, answer.length, head.finish) !== receipt.text) return 'fail';
  return before === undefined || pieces.between(0, start, finish.notFinal) === before ? 'pass' : 'inconclusive';
}

/** Whether a score job is of this answer, by another provider, with the settings of section 4.7. */
function isScoreOf(score: Subject, { receipt, offer, settings, answer }: Subject): boolean {
  const { sampler, provider, modelId, requestDigest } = score.offer;
  const { input } = receipt;
  return (
    score.isScore &&
    !equalBytes(provider, offer.provider) &&
    equalBytes(modelId, offer.modelId) &&
    (input === null || equalBytes(requestDigest, requestDigestOf({ ...input, continuation: answer }))) &&
    isSameList(score.receipt.tokens, answer) &&
    sampler.topK === offer.sampler.topK + followingTokens &&
    isSameDigest(score.settings.grammar, settings.grammar) &&
    isSameDigest(score.settings.vocabDigest, settings.vocabDigest)
  );
}

function isSameDigest(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
