import type { TestContext } from 'node:test';
import type { Escrow } from '../../src/escrow/escrow.ts';
import { silentLogger } from '../../src/lib/log.ts';
import type { ClientPayments } from '../../src/node/payment/payments.ts';
import { type KeptDelivery, openKeptDeliveries } from '../../src/node/provider/payment/kept-delivery.ts';
import type { PaidJob } from '../../src/node/provider/payment/payouts.ts';
import { startProvider, type TestProvider, type TestProviderInit } from './market.ts';
import { type PaidProvider, providerPayments, type TestChain } from './payments.ts';

export type PayingEscrow = Escrow & { readonly wallet: Uint8Array };

/** Lamports for 1,000 tokens. */
export const paidPrices = { priceIn: 100_000, priceOut: 2_000_000 };

/** What an answer costs at these prices, lamports. */
export function paidPriceOf(promptCount: number, n: number): bigint {
  return BigInt(Math.ceil((promptCount * paidPrices.priceIn + n * paidPrices.priceOut) / 1_000));
}

export interface PaidProviderInit extends TestProviderInit {
  readonly payouts?: Parameters<typeof providerPayments>[3];
  /** What the provider's payouts see instead of its escrow: a cheat, or a chain that fails. */
  readonly wrap?: (escrow: PayingEscrow) => PayingEscrow;
  /** Replaces what it does with each paid job. */
  readonly wrapJob?: (job: PaidJob) => PaidJob;
}

/** A provider that charges, registered on `chain`. */
export async function startPaidProvider(
  context: TestContext,
  chain: TestChain,
  { payouts, wrap = (escrow) => escrow, wrapJob = (job) => job, ...init }: PaidProviderInit = {},
): Promise<{
  readonly provider: TestProvider;
  readonly paid: PaidProvider;
  /** Its wallet's escrow, with nothing around it. */
  readonly escrow: PayingEscrow;
}> {
  const escrow = await chain.wallet();
  const paid = Promise.withResolvers<PaidProvider>();
  const provider = await startProvider(context, {
    offering: { tokensPerSecond: 100, ...paidPrices },
    async payments(peer) {
      const made = await providerPayments(context, chain, peer, { ...payouts, escrow: wrap(escrow) });
      paid.resolve(made);
      const { payments } = made;
      return {
        pay: payments.pay,
        channels: payments.channels,
        secure: async (...args) => wrapJob(await payments.secure(...args)),
        decline: (order) => payments.decline(order),
        start: () => payments.start(),
        stop: () => payments.stop(),
      };
    },
    ...init,
  });
  return { provider, paid: await paid.promise, escrow };
}

/** What a job has nothing to do with whose payment is no channel. */
export const freeOfChannels: Pick<PaidJob, 'refusalOf' | 'take' | 'keepSteps' | 'verdict' | 'leave'> = {
  refusalOf: () => null,
  take: () => undefined,
  keepSteps: async () => undefined,
  verdict: () => undefined,
  leave: () => undefined,
};
/** A client that disappears or crashes after the answer, and settles nothing. */
export function silentAfterTheAnswer(payments: ClientPayments): ClientPayments {
  return {
    ...payments,
    async open() {
      const wallet = await payments.open();
      return {
        refusal: (pay) => wallet.refusal(pay),
        plan: (...args) => wallet.plan(...args),
        records: () => wallet.records(),
        resume: () => wallet.resume(),
        lock: async (order) => ({
          ...(await wallet.lock(order)),
          settle: () => Promise.reject(new Error('gone')),
          abandon: async () => null,
        }),
      };
    },
  };
}

/** What a provider's process has on disk of its paid answers. */
export async function keptDeliveries(dir: string): Promise<readonly KeptDelivery[]> {
  return [...(await openKeptDeliveries(dir, silentLogger).read()).values()];
}
