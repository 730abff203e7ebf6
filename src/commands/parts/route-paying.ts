import { join } from 'node:path';
import type { Escrow } from '../../escrow/escrow.ts';
import { systemClock } from '../../lib/clock.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import type { ReceiptStore } from '../../node/home/receipt-store.ts';
import type { ClientPayments, LeftPayment } from '../../node/payment/payments.ts';
import type { SpendingAllowances } from '../../node/router/allowances.ts';
import type { CommandContext } from './definition.ts';
import { agreeToMainnet, needWallet, openEscrowOf } from './paying.ts';

/** Between two looks at payments that are under way, ms. */
const sweepMs = 60_000;
/** How long before the money is released a check has to end, ms: the person's client is told first, and may be slow. */
const marginMs = 60_000;

/** How a router pays. The chain is opened when there is first something to pay. */
export async function openRouterPayments(
  {
    config,
    output,
    logger,
    receipts,
  }: Pick<CommandContext, 'config' | 'output' | 'logger'> & { readonly receipts: ReceiptStore },
  limitOf: (client: PeerIdString) => bigint,
): Promise<{ readonly payments: ClientPayments; readonly allowances: SpendingAllowances }> {
  const [{ createEscrowPayments }, { openSpendingLimits }, { createSpendingAllowances }] = await Promise.all([
    import('../../node/payment/escrow-payments.ts'),
    import('../../node/payment/spending-limits.ts'),
    import('../../node/router/allowances.ts'),
  ]);
  const openEscrow = async (options: AbortOptions): Promise<Escrow> => {
    const escrow = await openEscrowOf(config, await needWallet(config), options);
    await agreeToMainnet({ config, output, yes: false, ask: false, signal: options.signal }, escrow);
    return escrow;
  };
  const dir = config.home.payments.router;
  const limits = await openSpendingLimits(
    { clock: systemClock, logger },
    {
      path: join(config.home.root, 'payments', 'router-spent.json'),
      limitOf: (client) => limitOf(client as PeerIdString),
    },
  );
  // A payment that is settled only later replaces its reservation then.
  const onSettled = ({ jobId, settlement: { paid, burnt } }: LeftPayment): void => limits.settle(jobId, paid + burnt);
  const payments = createEscrowPayments({ openEscrow, receipts, logger }, { dir, sweepMs, marginMs, onSettled });
  await payments.start();
  return { payments, allowances: createSpendingAllowances({ payments, limits, logger }) };
}
