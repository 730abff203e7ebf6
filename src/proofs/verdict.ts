import { fromHex } from '../lib/bytes.ts';
import type { Verdict } from '../protocol/messages.ts';
import type { Assessment } from './checks.ts';
import { decodeHead } from './head.ts';
import type { Receipt } from './receipt.ts';

/**
 * Section 4.4: an assessment as the message that `verifier` signs.
 * @param verifier raw 32-byte key
 * @param at unix milliseconds
 * @throws MalformedError if the receipt's first head is malformed
 */
export function verdictOf(assessment: Assessment, receipt: Receipt, verifier: Uint8Array, at: number): Verdict {
  const { jobId, root } = decodeHead(receipt.heads[0]?.body ?? new Uint8Array());
  const { result, tier, count, meanTv, maxTv, rmsDq, meanMiss, faults, execClass, calibration, referees } = assessment;
  return {
    v: 1,
    jobId,
    root,
    verifier,
    result,
    tier,
    count,
    meanTv,
    maxTv,
    rmsDq,
    meanMiss,
    faults,
    execClass,
    calibration,
    referees: referees.map(fromHex),
    at,
  };
}
