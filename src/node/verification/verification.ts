import type { Assessment } from '../../proofs/checks.ts';
import type { FaultCode } from '../../protocol/messages.ts';

/** How far an answer is to be checked: nothing opened; what needs no weights; re-execution. */
export type VerifyLevel = 'none' | 'sampling' | 'full';

export type Verification = Pick<
  Assessment,
  'result' | 'tier' | 'count' | 'meanTv' | 'maxTv' | 'rmsDq' | 'meanMiss' | 'faults'
>;

/** The model was re-executed: only then may an answer be called verified. */
export function isRecomputed({ tier }: Pick<Verification, 'tier'>): boolean {
  return tier === 'exact' || tier === 'statistical';
}

/** What a fault in the middle of an answer says: no final head, so no receipt and nothing opened. */
export function faultyVerification(fault: FaultCode): Verification {
  return {
    result: 'fail',
    tier: 'sampling',
    count: 0,
    meanTv: null,
    maxTv: null,
    rmsDq: null,
    meanMiss: null,
    faults: [fault],
  };
}
