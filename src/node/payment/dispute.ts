import { QvacError } from '../../errors.ts';
import type { Escrow, Executed, JobAccount } from '../../escrow/escrow.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, JobId } from '../../lib/types.ts';
import { assess } from '../../proofs/checks.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { sha256 } from '../../protocol/digests.ts';
import { decodeVerdict } from '../../protocol/validate.ts';
import { createJournal } from '../home/journal.ts';
import { type PendingPayment, pendingPaymentForm } from './pending-payment.ts';
import { slash } from './slash.ts';

/** What was kept of a job. */
export interface Kept {
  readonly note: PendingPayment | null;
  readonly receipt: Receipt | null;
}

/** The note of a payment that is not settled, in the first of `dirs` that has one. @throws QvacError E_HOME */
export async function findPendingPayment(
  dirs: readonly string[],
  jobId: JobId,
  logger: Logger,
): Promise<PendingPayment | null> {
  for (const dir of dirs) {
    const note = (await createJournal(dir, pendingPaymentForm, logger).read()).get(jobId);
    if (note !== undefined) return note;
  }
  return null;
}

/**
 * Objects to a submitted job with what was kept of it: slashes where the program can see the fraud, else rejects what
 * failed
 * its checks or never came whole.
 * @throws QvacError E_ESCROW where there is nothing to object to, or not yet
 */
export async function dispute(
  escrow: Escrow,
  job: JobAccount,
  { note, receipt }: Kept,
  options: AbortOptions = {},
): Promise<Executed> {
  if (job.submitted === null) {
    const kept = note?.conflict == null ? '' : '; the evidence is kept, and shown when it does';
    throw new QvacError('E_ESCROW', `the provider has submitted nothing to object to${kept}`, {
      hint: 'without an answer the money comes back: qvac jobs ls',
    });
  }
  const slashed = await slash(
    escrow,
    job,
    { head: receipt?.heads[0] ?? note?.head ?? null, conflict: note?.conflict, receipt },
    options,
  );
  if (slashed !== null) return slashed;
  return escrow.rejectJob(job, rejectionOf({ note, receipt }), options);
}

/** What a rejection names: the verdict that failed, or of an answer that never came whole nothing. */
function rejectionOf({ note, receipt }: Kept): Uint8Array {
  if (receipt === null) {
    if (note?.intent === 'reject') return note.verdictDigest;
    throw new QvacError('E_ESCROW', 'nothing that was kept of this job is wrong', {
      hint: 'it has no receipt here: its answer never came, or another home asked for it',
    });
  }
  const verdict = receipt.verdicts.find(({ body }) => decodeVerdict(body).result === 'fail');
  if (verdict === undefined && assess(receipt, {}).result !== 'fail')
    throw new QvacError('E_ESCROW', 'nothing in its receipt is wrong', { hint: 'qvac verify checks it again' });
  return sha256(verdict?.body ?? receipt.offer.body);
}
