import { QvacError } from '../../errors.ts';
import type { ClientPayments, EscrowWallet } from '../../node/payment/payments.ts';

/**
 * The same payments, but `lost` hears of what was locked for answers that never came whole: their providers can still
 * make
 * it cost something, and whoever asks for nothing else would spend without end.
 * @param lost gets what it came to, once that is known; rejects never
 */
export function withLosses(payments: ClientPayments, lost: (lamports: Promise<bigint>) => void): ClientPayments {
  const counting = (paying: EscrowWallet): EscrowWallet => ({
    refusal: (pay) => paying.refusal(pay),
    plan: (quote, limits, options) => paying.plan(quote, limits, options),
    records: (options) => paying.records(options),
    resume: (options) => paying.resume(options),
    async lock(order, options) {
      const most = BigInt(order.offer.payment?.amount ?? 0);
      try {
        const locked = await paying.lock(order, options);
        return {
          ...locked,
          abandon(received) {
            const ending = locked.abandon(received);
            lost(
              ending.then(
                (ended) => (ended === null ? most : ended.paid + ended.burnt),
                () => most,
              ),
            );
            return ending;
          },
        };
      } catch (error) {
        // Where the chain did not answer, it may have taken it.
        if (error instanceof QvacError && error.code === 'E_CHAIN') lost(Promise.resolve(most));
        throw error;
      }
    },
  });
  return {
    start: () => payments.start(),
    stop: () => payments.stop(),
    open: async (options) => counting(await payments.open(options)),
  };
}
