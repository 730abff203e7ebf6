import { QvacError } from '../../errors.ts';
import type { ModelId, PeerIdString } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import { FaultError } from '../../proofs/fault.ts';
import type { PoolFinding } from '../../proofs/statistics/pooled.ts';
import { isRecomputed } from '../verification/verification.ts';
import { worthOf } from './audit-rate.ts';
import type { Experience } from './experience.ts';
import type { Reputation } from './reputation.ts';

/** What a failed attempt says about the provider. */
export function experienceOf(error: Error): Experience {
  if (error instanceof FaultError) return { kind: 'fault', fault: error.fault };
  return { kind: error instanceof QvacError && error.code === 'E_BUSY' ? 'busy' : 'aborted' };
}

/** An answer whose checks say something about its provider. */
export interface LearnedAnswer {
  readonly peer: PeerIdString;
  readonly model: ModelId;
  readonly priceLamports: bigint;
}

type Learned = Pick<Assessment, 'result' | 'tier' | 'faults'> & Partial<Pick<Assessment, 'pooled'>>;

/**
 * Records what the checks of an answer say about its provider. A pass counts only if the answer was re-executed.
 * @returns what the provider's newest answers say together; null if this one adds nothing to that
 */
export function learnFrom(
  reputation: Pick<Reputation, 'record' | 'pool'>,
  { peer, model, priceLamports }: LearnedAnswer,
  assessment: Learned,
): PoolFinding | null {
  const [fault] = assessment.faults;
  if (fault !== undefined) reputation.record(peer, { kind: 'fault', fault });
  else if (assessment.result === 'pass' && isRecomputed(assessment))
    reputation.record(peer, { kind: 'verified', lamports: worthOf(priceLamports) });
  return poolFrom(reputation, { peer, model }, assessment);
}

/** The same of an answer whose provider another node selected: only what it says together with others is recorded. */
export function poolFrom(
  reputation: Pick<Reputation, 'pool'>,
  { peer, model }: Pick<LearnedAnswer, 'peer' | 'model'>,
  { result, pooled = null }: Learned,
): PoolFinding | null {
  return result === 'fail' || pooled === null ? null : reputation.pool(peer, model, pooled);
}

/** What is told to the person if a provider's answers are too far together; null if they are not. */
export function poolWords(finding: PoolFinding | null): string | null {
  if (finding?.result !== 'fail') return null;
  const { steps, meanMiss, limit } = finding;
  const figures = `mean miss ${inParts(meanMiss)} over ${steps} steps, and the limit is ${inParts(limit)}`;
  return `its last answers are together too far from this model: ${figures}; it is not asked again for a week`;
}

function inParts(millionths: number): string {
  return (millionths / 1_000_000).toFixed(4);
}
