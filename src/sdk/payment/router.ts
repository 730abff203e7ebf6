import { join } from 'node:path';
import type { Config } from '../../config.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { PeerIdString } from '../../lib/types.ts';
import type { Discovery } from '../../node/discovery/discovery.ts';
import type { ReceiptStore } from '../../node/home/receipt-store.ts';
import type { ChannelNews } from '../../node/payment/channel/channels.ts';
import { createEscrowPayments } from '../../node/payment/escrow-payments.ts';
import type { ClientPayments, LeftPayment } from '../../node/payment/payments.ts';
import { openSpendingLimits } from '../../node/payment/spending-limits.ts';
import type { Peer } from '../../node/peer/peer.ts';
import { createSpendingAllowances, type SpendingAllowances } from '../../node/router/allowances.ts';
import { challengeConsentOf } from './challenge.ts';
import { type MainnetConsent, openPayingEscrow } from './escrow.ts';
import { policyOf } from './policy.ts';

/** Interval between two sweeps for payments under way. */
const sweepMs = 60_000;
/** How long before the money is released a check must end: the client hears the verdict first, and may be slow. */
const marginMs = 60_000;

export interface RouterPaymentsComponents {
  readonly config: Config;
  readonly peer: Peer;
  readonly discovery: Pick<Discovery, 'get'>;
  readonly receipts: ReceiptStore;
  readonly consent: MainnetConsent;
  readonly onChannel?: ((news: ChannelNews) => void) | undefined;
  readonly logger: Logger;
}

/**
 * Opens the payments of a router. The chain is opened with the first payment.
 * @param limitOf lamports that the router spends for a client in 24 hours
 * @throws QvacError E_HOME if the record of the last day's spending cannot be read
 */
export async function openRouterPayments(
  { config, peer, discovery, receipts, consent, onChannel, logger }: RouterPaymentsComponents,
  limitOf: (client: PeerIdString) => bigint,
): Promise<{ readonly payments: ClientPayments; readonly allowances: SpendingAllowances }> {
  const limits = await openSpendingLimits(
    { clock: systemClock, logger },
    {
      path: join(config.home.root, 'payments', 'router-spent.json'),
      limitOf: (client) => limitOf(client as PeerIdString),
    },
  );
  const payments = createEscrowPayments(
    {
      openEscrow: (options) => openPayingEscrow(config, consent, options),
      receipts,
      // Nobody can be asked here: only if this home agreed before.
      mayChallenge: challengeConsentOf(config, async () => false),
      channels: {
        peer,
        reach: (provider, options) => discovery.get(provider, options),
        clock: systemClock,
        dir: config.home.channels.router,
        policy: policyOf(config, { isShared: true }),
        onNews: onChannel,
      },
      logger,
    },
    {
      dir: config.home.payments.router,
      sweepMs,
      marginMs,
      // A payment that is settled late replaces the amount reserved for it.
      onSettled: ({ jobId, settlement: { paid, burnt } }: LeftPayment) => limits.charge(jobId, paid + burnt),
    },
  );
  await payments.start();
  return { payments, allowances: createSpendingAllowances({ payments, limits, logger }) };
}
