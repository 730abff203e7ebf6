import type { Purpose } from './purpose.ts';
import { readTransaction } from './transaction.ts';

/** What a person is asked to sign or to approve. */
export interface Demand {
  readonly purpose: Purpose;
  /** The transaction to sign; null if the gateway's own wallet signs and only consent is needed. */
  readonly transaction: Uint8Array | null;
  /** The chain (CAIP-2) that the gateway named with it; '' before it named one. */
  readonly chain: string;
}

/** Whether two requests ask for the same, of the same program and at the same fee: who saw one knows the other. */
export function isSameDemand(a: Demand, b: Demand): boolean {
  return demandOf(a) === demandOf(b);
}

function demandOf({ purpose, transaction, chain }: Demand): string {
  const { program, fee } = (transaction === null ? null : readTransaction(transaction)) ?? {};
  // When it must be signed is shown from the request itself, and differs a little each time.
  const said = Object.entries(purpose).filter(([name]) => name !== 'deadline');
  const place = transaction === null ? null : [chain, program];
  return JSON.stringify([said, place, fee?.base.toString(), fee?.priority.toString()]);
}
