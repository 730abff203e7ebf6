import type { JobId, PeerIdString } from '../../lib/types.ts';
import { decodeReceipt, type Receipt } from '../../proofs/receipt.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import { jobIdHex } from '../../protocol/digests.ts';
import { paymentOf } from './report.ts';

/** A score job on which the verdict on an answer rests (protocol section 4.7). */
export interface RefereeRow {
  readonly job: JobId;
  /** The rest is null if the receipt of the score job is not here. */
  readonly peer: PeerIdString | null;
  readonly payment: ReturnType<typeof paymentOf>;
}

/**
 * The score jobs that the last verdict on an answer names, in the order of their draw.
 * @param find the receipt of a job; null if it is not here
 * @throws MalformedError
 */
export async function refereesOf(
  receipt: Receipt,
  find: (id: JobId) => Promise<Receipt | null>,
): Promise<readonly RefereeRow[]> {
  const named = decodeReceipt(receipt).verdicts.at(-1)?.referees ?? [];
  return Promise.all(
    named.map(jobIdHex).map(async (job) => {
      const score = await find(job);
      if (score === null) return { job, peer: null, payment: null };
      return { job, peer: peerIdOf(decodeReceipt(score).offer.provider), payment: paymentOf(score) };
    }),
  );
}
