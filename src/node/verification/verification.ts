import type { Assessment } from '../../proofs/checks.ts';
import { jobIdHex } from '../../protocol/digests.ts';
import type { RouteMode } from '../../protocol/frames.ts';
import { type FaultCode, modes, type Verdict } from '../../protocol/messages.ts';

/**
 * How far to check an answer: `none` opens nothing, `sampling` needs no weights, `full` re-executes; `optimistic` opens
 * nothing and trusts, but re-executes an answer by chance.
 */
export type VerifyLevel = 'none' | 'optimistic' | 'sampling' | 'full';

/** The mode of a job whose answer is checked so far; null: `sampling` or `full`. */
export function modeOf(level: VerifyLevel | null): RouteMode {
  return level === 'none' ? modes.none : level === 'optimistic' ? modes.fraud : modes.merkle;
}

export type Verification = Pick<
  Assessment,
  'result' | 'tier' | 'count' | 'meanTv' | 'maxTv' | 'rmsDq' | 'meanMiss' | 'faults' | 'referees'
>;

/** What another verifier's verdict says. */
export function verificationOf(verdict: Verdict): Verification {
  const { result, tier, count, meanTv, maxTv, rmsDq, meanMiss, faults, referees } = verdict;
  return { result, tier, count, meanTv, maxTv, rmsDq, meanMiss, faults, referees: referees.map(jobIdHex) };
}

/** Whether the model was re-executed: only then may an answer be called verified. */
export function isRecomputed({ tier }: Pick<Verification, 'tier'>): boolean {
  return tier === 'exact' || tier === 'statistical';
}

/** The result for a fault in the middle of an answer: without a final head there is no receipt and no opening. */
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
    referees: [],
  };
}
