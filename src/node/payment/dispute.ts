import { QvacError } from '../../errors.ts';
import type { JobAccount, SubmittedAnswer } from '../../escrow/accounts.ts';
import type { Escrow, Executed, Subject } from '../../escrow/escrow.ts';
import { isSubmitted } from '../../escrow/payout.ts';
import { RefusedError } from '../../escrow/refusal.ts';
import { equalBytes } from '../../lib/bytes.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, JobId } from '../../lib/types.ts';
import { fraudulentStep } from '../../proofs/checks/fraud.ts';
import { assess } from '../../proofs/checks.ts';
import { decodeHead, isFinal } from '../../proofs/head.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { sha256 } from '../../protocol/digests.ts';
import type { Head, Signed } from '../../protocol/messages.ts';
import { decodeVerdict } from '../../protocol/validate.ts';
import { createJournal } from '../home/journal.ts';
import { type PendingPayment, pendingPaymentForm } from './pending-payment.ts';

/** What this home still holds about a job. */
export interface KeptEvidence {
  readonly pending: PendingPayment | null;
  readonly receipt: Receipt | null;
}

/** Finds an unsettled payment in the first of `dirs` that has it. @throws QvacError E_HOME */
export async function findPendingPayment(
  dirs: readonly string[],
  jobId: JobId,
  logger: Logger,
): Promise<PendingPayment | null> {
  for (const dir of dirs) {
    const pending = (await createJournal(dir, pendingPaymentForm, logger).read()).get(jobId);
    if (pending !== undefined) return pending;
  }
  return null;
}

/**
 * Objects to a submitted job with the evidence kept for it: slashes if the program can verify the fraud, else rejects
 * an answer that failed its checks or never arrived complete.
 * @throws QvacError E_ESCROW if there is nothing to object to, or not yet
 */
export async function dispute(
  escrow: Escrow,
  job: JobAccount,
  { pending, receipt }: KeptEvidence,
  options: AbortOptions = {},
): Promise<Executed> {
  if (job.submitted === null) {
    const kept = pending?.conflict == null ? '' : '; the evidence is kept and used once it submits';
    throw new QvacError('E_ESCROW', `the provider has submitted no answer to object to${kept}`, {
      hint: 'the escrow refunds a job that is never submitted: qvac jobs ls',
    });
  }
  const slashed = await slash(
    escrow,
    { job },
    { head: receipt?.heads[0] ?? pending?.head ?? null, conflict: pending?.conflict, receipt },
    options,
  );
  if (slashed !== null) return slashed;
  return escrow.rejectJob(job, rejectionOf({ pending, receipt }), options);
}

/** The digest that a rejection names: of the failed verdict, or of the offer if there is none. */
function rejectionOf({ pending, receipt }: KeptEvidence): Uint8Array {
  if (receipt === null) {
    if (pending?.intent === 'reject') return pending.verdictDigest;
    throw new QvacError('E_ESCROW', 'this home has no evidence against this job', {
      hint: 'it has no receipt here: its answer never arrived, or another home asked for it',
    });
  }
  const verdict = receipt.verdicts.find(({ body }) => decodeVerdict(body).result === 'fail');
  if (verdict === undefined && assess(receipt, {}).result !== 'fail')
    throw new QvacError('E_ESCROW', 'its receipt passes every check', { hint: 'check it again: qvac verify' });
  return sha256(verdict?.body ?? receipt.offer.body);
}

/** A client's evidence against a provider. */
export interface FraudEvidence {
  /** The final head that the client received, or the newest before the answer broke off. */
  readonly head: Signed | null;
  /** Two heads that contradict each other. @default those of the receipt, if it has two */
  readonly conflict?: readonly [Signed, Signed] | null | undefined;
  readonly receipt: Receipt | null;
}

/**
 * Slashes the provider's stake with evidence that the program itself can verify: a submitted head that differs from the
 * one sent, two heads that contradict each other, a token that the seed does not draw.
 * @param subject a submitted job, or the evidence of an answer in a channel
 * @returns null if there is no such evidence, or the program does not accept it
 */
export async function slash(
  escrow: Escrow,
  subject: Subject,
  { head, conflict = null, receipt }: FraudEvidence,
  options: AbortOptions = {},
): Promise<Executed | null> {
  const heads = conflict ?? conflictOf(receipt);
  const step = receipt === null ? null : fraudulentStep(receipt);
  const submitted = 'job' in subject ? subject.job.submitted : null;
  const proofs: readonly (() => Promise<Executed>)[] = [
    ...(head !== null && submitted !== null && contradicts(decodeHead(head.body), submitted)
      ? [() => escrow.slashEquivocation(subject, [head], options)]
      : []),
    ...(heads === null ? [] : [() => escrow.slashEquivocation(subject, heads, options)]),
    ...(step === null ? [] : [() => escrow.slashSampler(subject, step, options)]),
  ];
  for (const prove of proofs) {
    try {
      return await prove();
    } catch (error) {
      // A job or channel that has ended meanwhile is not a question of evidence.
      if (!(error instanceof RefusedError) || error.refusal === 'NoAccount') throw error;
    }
  }
  return null;
}

/** Whether what was submitted, which counts as a final head, and a head of the provider's cannot both be honest. */
function contradicts(head: Head, submitted: SubmittedAnswer): boolean {
  if (isFinal(head)) return !isSubmitted({ submitted }, head);
  if (head.promptCount !== submitted.promptCount || head.n > submitted.tokenCount) return true;
  return head.n === submitted.tokenCount && !equalBytes(head.root, submitted.root);
}

/** The two heads of a receipt that contradict each other, or null. */
export function conflictOf(receipt: Receipt | null): readonly [Signed, Signed] | null {
  const [final, other] = receipt?.heads ?? [];
  return final === undefined || other === undefined ? null : [final, other];
}
