import { messageOf } from '../../errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import type { ChainRecord, ClientPayments, EscrowWallet } from '../payment/payments.ts';
import type { SpendingLimits } from '../payment/spending-limits.ts';

/** What a router may spend for one of the clients that it serves. */
export interface SpendingAllowance {
  readonly wallet: EscrowWallet;
  /** What the chain says of providers, by the node's key in hex. */
  readonly records: ReadonlyMap<string, ChainRecord>;
  readonly limits: SpendingLimits;
}

export interface SpendingAllowances {
  /** Null if this client has no allowance, or the chain cannot be opened now. */
  of(client: PeerIdString, options?: AbortOptions): Promise<SpendingAllowance | null>;
}

export interface SpendingAllowancesComponents {
  readonly payments: Pick<ClientPayments, 'open'>;
  readonly limits: SpendingLimits;
  readonly logger: Logger;
}

export function createSpendingAllowances({
  payments,
  limits,
  logger,
}: SpendingAllowancesComponents): SpendingAllowances {
  return {
    async of(client, options) {
      if (limits.left(client) === 0n) return null;
      try {
        const wallet = await payments.open(options);
        return { wallet, records: await wallet.records(options), limits };
      } catch (error) {
        options?.signal?.throwIfAborted();
        logger.warn('no provider can be paid now', { reason: messageOf(error) });
        return null;
      }
    },
  };
}
