import { type Escrow, type Executed, type JobAccount, RefusedError } from '../../escrow/escrow.ts';
import { isSubmitted } from '../../escrow/terms.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { fraudulentStep } from '../../proofs/fraud.ts';
import { decodeHead } from '../../proofs/head.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import type { Signed } from '../../protocol/messages.ts';

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
