import { QvacError } from '../../errors.ts';
import { type Escrow, type Executed, type JobAccount, RefusedError } from '../../escrow/escrow.ts';
import { isSubmitted } from '../../escrow/terms.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, JobId } from '../../lib/types.ts';
import { assess } from '../../proofs/checks.ts';
import { fraudulentStep } from '../../proofs/fraud.ts';
import { decodeHead } from '../../proofs/head.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { sha256 } from '../../protocol/digests.ts';
import type { Signed } from '../../protocol/messages.ts';
import { decodeVerdict } from '../../protocol/validate.ts';
import { createJournal } from '../home/journal.ts';
import { type PendingPayment, pendingPaymentForm } from './pending-payment.ts';

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
 * failed its checks or never came whole.
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

/** What a client holds against a provider. */
export interface FraudEvidence {
  /** The final head that it received. */
  readonly head: Signed | null;
  /** Two heads that contradict each other; those of the receipt are found there. @default null */
  readonly conflict?: readonly [Signed, Signed] | null | undefined;
  readonly receipt: Receipt | null;
}

/**
 * Takes the provider's stake where the evidence is one that the program itself can judge: another head submitted than
 * sent, two heads that contradict each other, a token that the seed does not draw.
 * @returns null where there is no such evidence, or the program does not take it for one
 */
export async function slash(
  escrow: Escrow,
  job: JobAccount,
  { head, conflict = null, receipt }: FraudEvidence,
  options: AbortOptions = {},
): Promise<Executed | null> {
  const heads = conflict ?? conflictOf(receipt);
  const step = receipt === null ? null : fraudulentStep(receipt);
  const proofs = [
    ...(head !== null && job.submitted !== null && !isSubmitted(job, decodeHead(head.body))
      ? [() => escrow.slashHeadMismatch(job, head, options)]
      : []),
    ...(heads === null ? [] : [() => escrow.slashEquivocation(job, heads, options)]),
    ...(step === null ? [] : [() => escrow.slashSampler(job, step, options)]),
  ];
  for (const prove of proofs) {
    try {
      return await prove();
    } catch (error) {
      // One that is settled meanwhile is no question of evidence.
      if (!(error instanceof RefusedError) || error.refusal === 'NoAccount') throw error;
    }
  }
  return null;
}

/** The two heads of a receipt that contradict each other, or null. */
export function conflictOf(receipt: Receipt | null): readonly [Signed, Signed] | null {
  const [final, other] = receipt?.heads ?? [];
  return final === undefined || other === undefined ? null : [final, other];
}
