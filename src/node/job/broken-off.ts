import { messageOf } from '../../errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Assessment } from '../../proofs/checks.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import type { FaultCode } from '../../protocol/messages.ts';
import type { CheckOptions, Depth } from '../verification/verifier.ts';
import { type Conclusion, type JudgeComponents, judge } from './conclude.ts';
import type { Job } from './job.ts';

export interface BrokenOffComponents extends JudgeComponents {
  readonly verifier: { check(receipt: Receipt, depth: Depth, options?: CheckOptions): Promise<Assessment> };
  readonly receipts: { save(receipt: Receipt): Promise<unknown> };
  readonly logger: Logger;
}

export interface KeepBrokenInit {
  readonly depth: Depth;
  /** A fault that was seen on the stream, and that no receipt shows. @default none */
  readonly fault?: FaultCode | null | undefined;
}

/**
 * Checks and stores what the newest head of a broken-off answer covers, so that it can be shown and continued.
 * @returns null if no head covers anything, or if it could not be stored. Never rejects
 */
export async function keepBrokenOff(
  components: BrokenOffComponents,
  job: Pick<Job, 'jobId' | 'received'>,
  { depth, fault = null }: KeepBrokenInit,
  options: AbortOptions = {},
): Promise<Conclusion | null> {
  const { verifier, receipts, logger } = components;
  if (job.received.head === null) return null;
  const check = (receipt: Receipt, checking: CheckOptions): Promise<Assessment> =>
    verifier.check(receipt, depth, checking);
  try {
    const conclusion = await judge(components, job, { check, fault }, options);
    await receipts.save(conclusion.receipt);
    return conclusion;
  } catch (failure) {
    logger.warn('the receipt of a broken-off answer was not stored', { job: job.jobId, reason: messageOf(failure) });
    return null;
  }
}
