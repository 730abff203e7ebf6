import { messageOf } from '../../errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { AbortOptions, PeerIdString } from '../../lib/types.ts';
import type { ChainRecord, ClientPayments, EscrowWallet } from '../payment/payments.ts';
import type { SpendingLimits } from '../payment/spending-limits.ts';

/** A router's means to pay for one of its clients. */
export interface SpendingAllowance {
  readonly wallet: EscrowWallet;
  /** The chain's records of providers, by the node's key in hex. */
  readonly records: ReadonlyMap<string, ChainRecord>;
  readonly limits: SpendingLimits;
}

export interface SpendingAllowances {
  /** Null if nothing is left of this client's limit, or the chain cannot be opened now. */
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
        logger.warn('this router cannot pay providers now', { reason: messageOf(error) });
        return null;
      }
    },
  };
}
