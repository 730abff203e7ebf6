import { messageOf } from '../../errors.ts';
import type { Escrow } from '../../escrow/escrow.ts';
import { delay } from '../../lib/abort.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, JobId } from '../../lib/types.ts';
import type { Receipt } from '../../proofs/receipt.ts';
import { createJournal } from '../home/journal.ts';
import type { ReceiptStore } from '../home/receipt-store.ts';
import { type ClientPayments, type EscrowWallet, isSettled, type LeftPayment, type Settlement } from './payments.ts';
import { pendingPaymentForm } from './pending-payment.ts';
import { ProgramWallet } from './program-wallet.ts';
import { settlementJson } from './settlement-json.ts';

export interface EscrowPaymentsComponents {
  /** Opens the escrow with the wallet that pays; called once, when a payment is first thought of. */
  readonly openEscrow: (options: AbortOptions) => Promise<Escrow>;
  /**
   * What is kept of answers: the evidence of a payment that an earlier process left, and where it is written how it was
   * settled. @default nothing
   */
  readonly receipts?: Pick<ReceiptStore, 'get' | 'settle'> | undefined;
  readonly logger: Logger;
}

export interface EscrowPaymentsInit {
  /** Folder of what is locked and not settled. */
  readonly dir: string;
  /** How long an answer waits for its head on the chain, in ms. @default 30_000 */
  readonly submitMs?: number | undefined;
  /** How long before the money is released a check has to end, in ms. @default 20_000 */
  readonly marginMs?: number | undefined;
  /** How long `stop` waits for what was broken off to be given back, in ms. @default 2_000 */
  readonly stopMs?: number | undefined;
  /** Between two looks at what is left, for a process that lives long, in ms. @default null: once */
  readonly sweepMs?: number | null | undefined;
  /**
   * Whether an answer that passed is confirmed at once. Else its provider is paid when the time for a rejection is
   * over:
   * for a wallet whose owner would have to sign for it. @default true
   */
  readonly confirms?: boolean | undefined;
  /** Hears of what was left and is settled now. */
  readonly onSettled?: ((left: LeftPayment) => void) | undefined;
}

/** How long before the money is released a check has to end, in ms. */
const defaultMarginMs = 20_000;

export function createEscrowPayments(components: EscrowPaymentsComponents, init: EscrowPaymentsInit): ClientPayments {
  const { openEscrow, receipts = null, logger } = components;
  const receiptOf = async (jobId: JobId): Promise<Receipt | null> =>
    (await receipts?.get(jobId).catch(() => null))?.receipt ?? null;
  const keep = async (jobId: JobId, settlement: Settlement): Promise<void> => {
    await receipts?.settle(jobId, settlementJson(settlement)).catch((error: unknown) =>
      logger.warn('a receipt does not say how it was settled', {
        job: jobId,
        reason: messageOf(error),
      }),
    );
  };
  const journal = createJournal(init.dir, pendingPaymentForm, logger);
  const end = new AbortController();
  const tasks = new Set<Promise<void>>();
  let opening: Promise<EscrowWallet> | null = null;
  let timer: NodeJS.Timeout | null = null;
  const run = (work: Promise<void>): void => {
    tasks.add(work);
    void work.finally(() => tasks.delete(work));
  };
  function open(options: AbortOptions = {}): Promise<EscrowWallet> {
    opening ??= openEscrow(options).then(
      (escrow) =>
        new ProgramWallet(
          { escrow, journal, receiptOf, keep, logger, run, end: end.signal },
          {
            submitMs: init.submitMs ?? 30_000,
            marginMs: init.marginMs ?? defaultMarginMs,
            confirms: init.confirms ?? true,
          },
        ),
    );
    // Whoever waits for it learns of a failure; the next one tries again.
    opening.catch(() => (opening = null));
    return opening;
  }
  /** Never throws. */
  async function sweep(): Promise<void> {
    try {
      if ((await journal.read()).size === 0) return;
      const paying = await open({ signal: end.signal });
      for (const left of await paying.resume({ signal: end.signal }))
        if (isSettled(left.settlement)) init.onSettled?.(left);
    } catch (error) {
      if (!end.signal.aborted)
        logger.warn('payments of earlier answers are not settled yet', {
          reason: messageOf(error),
        });
    }
  }
  return {
    open,
    async start() {
      run(sweep());
      const { sweepMs = null } = init;
      if (sweepMs !== null) timer ??= setInterval(() => run(sweep()), sweepMs).unref();
    },
    async stop() {
      if (timer !== null) clearInterval(timer);
      await Promise.race([Promise.allSettled(tasks), delay(init.stopMs ?? 2_000)]);
      end.abort(new Error('stopping'));
    },
  };
}
