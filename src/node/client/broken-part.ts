import type { QvacError } from '../../errors.ts';
import type { JobId, ModelId } from '../../lib/types.ts';
import { type BrokenOffComponents, keepBrokenOff } from '../job/broken-off.ts';
import type { Job } from '../job/job.ts';
import type { Settlement } from '../payment/payments.ts';
import { learnFrom } from '../selection/learning.ts';
import type { Reputation } from '../selection/reputation.ts';
import type { LocalVerifier } from '../verification/local-verifier.ts';
import { faultyVerification, type Verification, type VerifyLevel } from '../verification/verification.ts';
import { type Answer, type DeliveredAnswer, reasonFor } from './answer.ts';

/** A job of this client's own, or one of a router's. */
export type BrokenJob = Pick<Job, 'offer' | 'received' | 'ackedTokens'>;

/** A job that broke off after it showed a token. */
export interface BrokenPart {
  readonly job: BrokenJob;
  readonly error: QvacError;
  readonly answer: DeliveredAnswer & Pick<Answer, 'level' | 'timing'>;
  /** Resolves when what arrived is checked, stored and, as far as possible, settled. Never rejects. */
  readonly ending: Promise<BrokenEnding>;
}

export interface BrokenEnding {
  /** Null if no head covers any of it. */
  readonly receipt: JobId | null;
  /** Null if there was nothing to check. */
  readonly verification: Verification | null;
  readonly why: string | null;
  readonly payment: Settlement | null;
}

export interface EndBrokenComponents extends BrokenOffComponents {
  readonly verifier: LocalVerifier;
  /** Null if a router selected the provider. */
  readonly reputation: Reputation | null;
}

export interface EndBrokenInit {
  readonly job: Pick<Job, 'jobId' | 'provider' | 'received'>;
  readonly modelId: ModelId;
  readonly continuation: readonly number[];
  /** The text has the texts of control tokens, too (section 4.1). */
  readonly hasMarkers: boolean;
  readonly level: VerifyLevel;
  readonly abandoned: Promise<Settlement | null>;
}

/** Checks, stores and settles what arrived of a job whose opening is not asked for. Never rejects. */
export async function endBroken(components: EndBrokenComponents, init: EndBrokenInit): Promise<BrokenEnding> {
  const { reputation } = components;
  const { job, level, abandoned } = init;
  const fault = level === 'none' || (await isTextOfTokens(components, init)) ? null : 'text-mismatch';
  const kept = await keepBrokenOff(components, job, { depth: level === 'full' ? 'full' : 'sampling', fault });
  const verification = kept?.assessment ?? (fault === null ? null : faultyVerification(fault));
  const learned = { peer: job.provider, model: init.modelId, priceLamports: 0n };
  if (verification !== null && reputation !== null) learnFrom(reputation, learned, verification);
  const why =
    fault !== null && verification?.faults.includes(fault) === true
      ? 'its text is not that of its tokens'
      : kept && reasonFor(kept.assessment, { level, audit: null, interrupted: false });
  return { receipt: kept === null ? null : job.jobId, verification, why, payment: await abandoned };
}

/**
 * No head covers the newest tokens, and no later job covers their text (section 4.6): only who sees both can compare
 * them. True without the tokenizer.
 */
async function isTextOfTokens(
  { verifier, logger }: EndBrokenComponents,
  { job: { received, jobId }, modelId, continuation, hasMarkers }: EndBrokenInit,
): Promise<boolean> {
  try {
    const own = await verifier.textOf(modelId, continuation, received.tokens, hasMarkers);
    // A last text without tokens may end an incomplete character before a final head that did not arrive.
    return own === null || received.text === own || received.text === `${own}\u{FFFD}`;
  } catch (error) {
    logger.warn('the text of a broken-off answer could not be compared', { job: jobId, reason: String(error) });
    return true;
  }
}
