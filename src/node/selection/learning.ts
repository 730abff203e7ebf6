import { QvacError } from '../../errors.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import { FaultError } from '../../proofs/fault.ts';
import { isRecomputed } from '../verification/verification.ts';
import { worthOf } from './audit-rate.ts';
import type { Experience, Reputation } from './reputation.ts';

/** What a failed attempt says about the provider. */
export function experienceOf(error: Error): Experience {
  if (error instanceof FaultError) return { kind: 'fault', fault: error.fault };
  return { kind: error instanceof QvacError && error.code === 'E_BUSY' ? 'busy' : 'aborted' };
}

/** Records what the checks of an answer say about its provider. A pass counts only if the answer was re-executed. */
export function learnFrom(
  reputation: Pick<Reputation, 'record'>,
  peer: PeerIdString,
  assessment: Pick<Assessment, 'result' | 'tier' | 'faults'>,
  priceLamports: bigint,
): void {
  const [fault] = assessment.faults;
  if (fault !== undefined) reputation.record(peer, { kind: 'fault', fault });
  else if (assessment.result === 'pass' && isRecomputed(assessment))
    reputation.record(peer, { kind: 'verified', lamports: worthOf(priceLamports) });
}
