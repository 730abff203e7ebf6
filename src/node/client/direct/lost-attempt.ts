import { type ErrorCode, messageOf, QvacError } from '../../../errors.ts';
import { FaultError } from '../../../proofs/fault.ts';
import { costOf, countsOf, mostCostOf, payableTokens } from '../../job/cost.ts';
import type { Job } from '../../job/job.ts';
import { isBadInput, isBadOffer, RemoteError } from '../../job/remote-error.ts';
import { mayBeTooLong, PerhapsTooLongError } from '../../job/too-long.ts';
import type { Settlement } from '../../payment/payments.ts';
import { experienceOf } from '../../selection/learning.ts';
import { faultyAnswer, silentObserver } from '../answer.ts';
import { type BrokenEnding, type BrokenPart, endBroken } from '../broken-part.ts';
import { truncated } from '../finish.ts';
import type { Attempt } from './attempt.ts';
import type { DirectOutcome } from './direct-init.ts';

/** Failures on this side: asking another provider would not help. */
const ownFailures: ReadonlySet<ErrorCode> = new Set(['E_BAD_INPUT', 'E_CHAIN', 'E_FUNDS', 'E_TOO_DEAR', 'E_HOME']);

/**
 * Ends an attempt that failed before its final head: gives its payment up, records the provider's failure, and decides
 * whether another provider may be asked.
 * @param job null if the provider received no offer
 * @throws QvacError E_INTERRUPTED if the person stopped it; `error` itself if another provider would fail alike
 */
export async function endFailed(attempt: Attempt, job: Job | null, error: Error): Promise<DirectOutcome> {
  const { payment, signal } = attempt;
  job?.abort(error);
  const abandoned = payment.abandon(job, error instanceof FaultError ? error : null);
  if (signal.aborted) throw interrupted();
  if (error instanceof QvacError && !(error instanceof RemoteError) && ownFailures.has(error.code)) throw error;
  if (!(error instanceof FaultError) && !(error instanceof QvacError)) throw error;
  const reported = await recordFailure(attempt, error);
  // Of vectors nothing was shown yet: another provider may give them.
  if (job !== null && error instanceof FaultError && job.received.n > 0 && !attempt.isEmbedding)
    return { answer: faultyAnswer(attempt.answerOf(job), error, await abandoned) };
  noteHold(attempt, job);
  if (job !== null && attempt.hasShown(job) && !(error instanceof FaultError))
    return { answer: null, error, broken: brokenPart(attempt, job, error, abandoned) };
  // The provider may take the same offer from an account of its own.
  const again = payment.isInChannel && isBadOffer(error);
  if (again) await payment.avoidChannel();
  const lostLamports = job === null ? 0n : mostCostOf(job.offer, countsOf(job));
  return { answer: null, error: reported, broken: null, lostLamports, again };
}

/**
 * Ends an attempt whose provider broke the answer off with a head over all that it had sent: it is checked like a
 * complete answer, in the background.
 */
export function endBrokenOff(attempt: Attempt, job: Job): DirectOutcome {
  const { provider, received } = job;
  const answer = attempt.answerOf(job);
  const error = truncated({ provider, tokens: attempt.init.earlier.tokens + received.n });
  return { answer: null, error, broken: { job, error, answer, ending: finishBrokenOff(attempt, job) } };
}

/** The person stopped the question. */
export function interrupted(): QvacError {
  return new QvacError('E_INTERRUPTED', 'stopped');
}

/**
 * Counts a failure against the provider, unless it was entitled to it.
 * @returns the error to report: another one if the input may be too long for the provider
 * @throws QvacError E_BAD_INPUT if this machine's tokenizer refuses the input, too
 */
async function recordFailure(
  { components, init, input, redrawn }: Attempt,
  error: FaultError | QvacError,
): Promise<Error> {
  const { choice, sampler, extra } = init;
  const isRefusal = isBadInput(error);
  if (isRefusal) await components.verifier.encodePrompt(choice.modelId, input);
  const tooLong = mayBeTooLong(error, choice.model, input, sampler.maxTokens);
  // A provider may refuse a grammar that would cost it too much (section 4.1); another class may draw otherwise what
  // was shown already.
  const isEntitled = tooLong || (isRefusal && extra.rules !== undefined) || redrawn.isOther;
  if (!isEntitled) components.reputation.record(choice.card.peer, experienceOf(error));
  return tooLong ? new PerhapsTooLongError(error) : error;
}

/** Its connection or its provider failed after it had shown a token. */
function brokenPart(attempt: Attempt, job: Job, error: QvacError, abandoned: Promise<Settlement | null>): BrokenPart {
  const { choice, input, extra, level } = attempt.init;
  const ending = endBroken(attempt.components, {
    job,
    modelId: choice.modelId,
    continuation: input.continuation,
    hasMarkers: extra.markers === true,
    level,
    abandoned,
  });
  return { job, error, answer: attempt.answerOf(job), ending };
}

/** Never rejects. */
async function finishBrokenOff(attempt: Attempt, job: Job): Promise<BrokenEnding> {
  try {
    const { receipt, storeError, verification, why, payment } = await attempt.finish(job, silentObserver);
    return { receipt: storeError === null ? receipt : null, verification, why, payment };
  } catch (error) {
    const { logger } = attempt.components;
    logger.warn('a broken-off answer was not checked', { job: job.jobId, reason: messageOf(error) });
    return { receipt: null, verification: null, why: null, payment: null };
  }
}

/** Says where the money is now that there is no complete answer. */
function noteHold({ payment, quote: signedQuote, observer }: Attempt, job: Job | null): void {
  const quote = signedQuote?.quote;
  if (!payment.isOnHold || payment.isInChannel || quote === undefined) return;
  if (job === null || job.ackedTokens === null) {
    const minutes = Math.ceil(quote.deliverWithin / 60);
    observer.note(
      `payment on hold: refunded when the provider declines, or after ${minutes} min at the latest (qvac jobs ls)`,
    );
    return;
  }
  const most = { ...countsOf(job), n: job.offer.sampler.maxTokens };
  const paid = `the prompt and ${payableTokens(job.offer, most)} tokens at most: ${costOf(job.offer, most)} lamports`;
  observer.note(`the provider can be paid for ${paid}; the rest is refunded`);
}
