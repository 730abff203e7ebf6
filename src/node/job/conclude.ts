import { ownWordsOf, toError } from '../../errors.ts';
import { raceSignal } from '../../lib/abort.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import { FaultError } from '../../proofs/fault.ts';
import type { ChannelTotals } from '../../proofs/payment/channel-state.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { type SigningKey, signBody } from '../../proofs/signing.ts';
import { verdictOf } from '../../proofs/verdict.ts';
import { type FaultCode, kinds, payFrom, type Signed } from '../../protocol/messages.ts';
import { encodeVerdict } from '../../protocol/validate.ts';
import { ownPart } from '../verification/doubt.ts';
import type { SecondOpinion } from '../verification/second-opinion.ts';
import type { CheckOptions } from '../verification/verifier.ts';
import type { Job } from './job.ts';

export interface JudgeComponents {
  /** Signs the verdict. */
  readonly key: SigningKey;
  readonly clock: Clock;
}

export interface JudgeInit {
  /** Runs the requested checks of section 4.4 on the receipt. */
  check(receipt: Receipt, options: CheckOptions): Promise<Assessment>;
  /** The fault seen on the job's stream, which no receipt shows; null if there was none. */
  readonly fault: FaultCode | null;
  /** Re-executes an answer that failed a numeric check. @default this node re-executes it a second time */
  readonly second?: SecondOpinion | null | undefined;
  /** Ends a re-execution, but no other check: its result would come too late to reject. @default never */
  readonly until?: AbortSignal | undefined;
}

/** The result of checking a finished job. */
export interface Conclusion {
  /** What is found about the job's own provider. */
  readonly assessment: Assessment;
  /** A fault in the tokens before this job, which other providers wrote (section 4.6); null if there is none. */
  readonly faultBefore: FaultCode | null;
  /** Its last verdict is this node's, after that of an auditor if one gave a second opinion. */
  readonly receipt: Receipt;
  readonly verdict: Signed;
}

/**
 * Reveals the secret after the final head and takes the opening. A paid provider that is silent is challenged once more
 * on a new stream, before it loses money for it. If the network of this node failed, the silence of a provider that
 * asks no money is not its fault: other peers could pretend an outage, but gain nothing by it then.
 * @returns the fault, null if there is none: a valid opening arrived, or this node was cut off
 * @throws the signal's reason; any failure on this side
 */
export async function requestOpening(
  job: Job,
  secret: Uint8Array,
  options: AbortOptions = {},
): Promise<FaultCode | null> {
  const fault = await challengeOnce(job, secret, options, false);
  if (fault !== 'silence') return fault;
  if (job.offer.payment.pay !== payFrom.nothing) return challengeOnce(job, secret, options, true);
  return (await raceSignal(job.wasCutOff(), options.signal)) ? null : fault;
}

async function challengeOnce(
  job: Job,
  secret: Uint8Array,
  options: AbortOptions,
  anew: boolean,
): Promise<FaultCode | null> {
  try {
    await job.challenge(secret, { ...options, anew });
    return null;
  } catch (error) {
    if (error instanceof FaultError) return error.fault;
    throw error;
  }
}

/** Checks a finished job's receipt, with a second opinion on a numeric fault, and signs the verdict. */
export async function judge(
  { key, clock }: JudgeComponents,
  job: Pick<Job, 'jobId' | 'received'>,
  init: JudgeInit,
  options: AbortOptions = {},
): Promise<Conclusion> {
  const opinions: Signed[] = [];
  const second: CheckOptions['second'] = async (receipt, asking) => {
    const opinion = (await init.second?.(receipt, asking)) ?? null;
    if (opinion !== null) opinions.push(opinion.signed);
    return opinion?.verdict ?? null;
  };
  const unsigned = job.received.receipt([]);
  const found = await init.check(unsigned, { ...options, until: init.until, second });
  const assessment = withFault(ownPart(found), init.fault);
  const body = encodeVerdict(verdictOf(assessment, unsigned, key.publicKey, clock.now()));
  const verdict = signBody(key, kinds.verdict, job.jobId, body);
  const faultBefore = found.inContinuation ? (found.faults[0] ?? null) : null;
  return { assessment, faultBefore, receipt: job.received.receipt([...opinions, verdict]), verdict };
}

/** A fault seen on the stream counts only if the receipt itself shows none. */
function withFault(assessment: Assessment, fault: FaultCode | null): Assessment {
  if (fault === null || assessment.result === 'fail') return assessment;
  return { ...assessment, result: 'fail', tier: 'sampling', faults: [fault] };
}

export interface Delivery {
  readonly verdict: Signed;
  /** Releases the answer in its channel; null if there is nothing to release. */
  readonly release: ChannelTotals | null;
}

/**
 * Sends the verdict, which the provider stores, with the release, and ends the job.
 * @returns whether the provider can have taken them: one that left has not. Never throws
 */
export async function deliverVerdict(
  job: Job,
  { verdict, release }: Delivery,
  logger: Logger,
  options: AbortOptions,
): Promise<boolean> {
  try {
    await job.verdict(verdict, options);
    if (release !== null) await job.release(release, options);
    await job.close();
    return true;
  } catch (error) {
    logger.debug('the provider did not take the verdict', { job: job.jobId, reason: ownWordsOf(error) });
    job.abort(toError(error));
    return false;
  }
}
