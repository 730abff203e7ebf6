import { messageOf } from '../../errors.ts';
import type { Escrow, JobOutcome } from '../../escrow/escrow.ts';
import { toHex } from '../../lib/bytes.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, JobId } from '../../lib/types.ts';
import type { ReceiptStore } from '../home/receipt-store.ts';
import { settlementJson, settlementOf } from './settlement-json.ts';

export interface SettledJob {
  /** Of its account, 32 bytes. */
  readonly address: Uint8Array;
  readonly jobId: Uint8Array;
  /** What was locked, lamports. */
  readonly amount: bigint;
}

/**
 * How the chain says that a closed job was settled, which the receipts of it are told, too.
 * @param stores wherever a receipt of that job may lie. What is wrong with one of them is logged
 * @returns null where the chain does not say
 * @throws QvacError E_CHAIN
 */
export async function keepOutcome(
  escrow: Pick<Escrow, 'outcome' | 'chain'>,
  { address, jobId, amount }: SettledJob,
  { stores, logger }: { readonly stores: readonly Pick<ReceiptStore, 'settle'>[]; readonly logger: Logger },
  options: AbortOptions = {},
): Promise<JobOutcome | null> {
  const outcome = await escrow.outcome(address, options);
  if (outcome === null) return null;
  const id = toHex(jobId) as JobId;
  const settlement = settlementJson(settlementOf(outcome, { chain: escrow.chain, account: address, locked: amount }));
  const told = await Promise.allSettled(stores.map((store) => store.settle(id, settlement)));
  for (const each of told)
    if (each.status === 'rejected')
      logger.warn('a receipt does not say how it was settled', {
        job: id,
        reason: messageOf(each.reason),
      });
  return outcome;
}
