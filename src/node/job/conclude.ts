import { ownWordsOf } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { type Assessment, assess } from '../../proofs/checks.ts';
import { FaultError } from '../../proofs/fault.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { type SigningKey, signBody } from '../../proofs/signing.ts';
import { verdictOf } from '../../proofs/verdict.ts';
import { type FaultCode, kinds, type Signed } from '../../protocol/messages.ts';
import { encodeVerdict } from '../../protocol/validate.ts';
import type { VerifyLevel } from '../client/answer.ts';
import type { LocalVerifier } from '../verification/local-verifier.ts';
import type { SecondOpinion } from '../verification/second-opinion.ts';
import type { CheckOptions } from '../verification/verifier.ts';
import type { Job } from './job.ts';

export interface ConcludeComponents {
  readonly key: SigningKey;
  readonly verifier: LocalVerifier;
  /** Asked before a provider is blamed for numbers. @default this machine alone re-executes, twice */
  readonly second?: SecondOpinion | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Conclusion {
  readonly assessment: Assessment;
  /** With this client's own verdict, and that of an auditor where one was asked. */
  readonly receipt: Receipt;
  readonly verdict: Signed;
}

/** How long the provider may take to take the verdict, in ms: nobody waits for it. */
const verdictTimeoutMs = 2_000;

/**
 * After the final head of a direct job: reveals the secret, checks the opening and the answer as far as `level` says,
 * signs a verdict and tells the provider.
 * @param options `until` ends a re-execution, not the rest
 */
export async function concludeJob(
  components: ConcludeComponents,
  job: Job,
  secret: Uint8Array,
  level: VerifyLevel,
  { until, ...options }: Pick<CheckOptions, 'signal' | 'until'> = {},
): Promise<Conclusion> {
  const { key, verifier, second, clock, logger } = components;
  const opinions: Signed[] = [];
  const askSecond: CheckOptions['second'] = async (receipt, asking) => {
    const opinion = (await second?.(receipt, asking)) ?? null;
    if (opinion !== null) opinions.push(opinion.signed);
    return opinion?.verdict ?? null;
  };
  const missing = level === 'none' ? null : await challenge(job, secret, options);
  const unsigned = job.received.receipt([]);
  const checked =
    level === 'none'
      ? assess(unsigned, {})
      : await verifier.check(unsigned, level === 'full' ? 'full' : 'sampling', {
          ...options,
          until,
          second: askSecond,
        });
  const assessment = missing === null ? checked : withFault(checked, missing);
  const verdict = signBody(
    key,
    kinds.verdict,
    job.jobId,
    encodeVerdict(verdictOf(assessment, unsigned, key.publicKey, clock.now())),
  );
  await tell(job, verdict).catch((error: unknown) =>
    logger.debug('the provider did not take the verdict', { job: job.jobId, reason: ownWordsOf(error) }),
  );
  // The last word is this client's.
  return { assessment, receipt: job.received.receipt([...opinions, verdict]), verdict };
}

/** @returns the fault where there is no opening that could be checked */
async function challenge(job: Job, secret: Uint8Array, options: AbortOptions, anew = false): Promise<FaultCode | null> {
  try {
    await job.challenge(secret, { ...options, anew });
    return null;
  } catch (error) {
    if (!(error instanceof FaultError)) throw error;
    if (error.fault !== 'silence' || job.offer.payment === null || anew) return error.fault;
    // Before anybody loses money for it.
    return challenge(job, secret, options, true);
  }
}

/** What this client saw on its own stream, and no receipt shows, counts where the receipt itself shows no fault. */
function withFault(assessment: Assessment, fault: FaultCode): Assessment {
  if (assessment.result === 'fail') return assessment;
  return { ...assessment, result: 'fail', tier: 'sampling', faults: [fault] };
}

async function tell(job: Job, verdict: Signed): Promise<void> {
  await job.verdict(verdict, { signal: AbortSignal.timeout(verdictTimeoutMs) });
  await job.close();
}
