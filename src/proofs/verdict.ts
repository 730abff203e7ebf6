import { equalBytes, fromHex } from '../lib/bytes.ts';
import type { JobId } from '../lib/types.ts';
import { MalformedError } from '../protocol/codec.ts';
import { jobIdHex } from '../protocol/digests.ts';
import { kinds, type Signed, type Verdict } from '../protocol/messages.ts';
import { decodeVerdict } from '../protocol/validate.ts';
import type { Assessment } from './checks.ts';
import { decodeHead } from './head.ts';
import type { Receipt } from './receipt.ts';
import { verifyBody } from './signing.ts';

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

/**
 * The verdict in `signed`, if `verifier` signed it about this answer; else null (section 4.4).
 * @param verifier raw 32-byte key
 * @param root of the answer's final head
 */
export function verdictBy(
  verifier: Uint8Array,
  { jobId, root }: { readonly jobId: JobId; readonly root: Uint8Array },
  signed: Signed,
): Verdict | null {
  try {
    const verdict = decodeVerdict(signed.body);
    const isOnAnswer = jobIdHex(verdict.jobId) === jobId && equalBytes(verdict.root, root);
    const isOwn = equalBytes(verdict.verifier, verifier) && verifyBody(verifier, kinds.verdict, jobId, signed);
    return isOnAnswer && isOwn ? verdict : null;
  } catch (error) {
    if (error instanceof MalformedError) return null;
    throw error;
  }
}
