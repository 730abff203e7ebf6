import { QvacError } from '../../errors.ts';
import type { ClientPayments, EscrowWallet } from '../../node/payment/payments.ts';

/**
 * Wraps `payments` and reports the cost of answers that failed. Their providers are still paid for what was
 * acknowledged; without this report a daily limit would miss that spending.
 * @param onCost gets the final cost in lamports, once it is known; the promise never rejects
 */
export function withFailedAnswerCosts(
  payments: ClientPayments,
  onCost: (lamports: Promise<bigint>) => void,
): ClientPayments {
  const counting = (paying: EscrowWallet): EscrowWallet => ({
    channels: paying.channels,
    refusal: (pay) => paying.refusal(pay),
    plan: (quote, limits, options) => paying.plan(quote, limits, options),
    records: (options) => paying.records(options),
    resume: (options) => paying.resume(options),
    async lock(order, options) {
      const lockedLamports = order.offer.payment.amountLamports;
      try {
        const locked = await paying.lock(order, options);
        return {
          ...locked,
          abandon(received) {
            const settling = locked.abandon(received);
            onCost(
              settling.then(
                (settlement) => (settlement === null ? lockedLamports : settlement.paid + settlement.burnt),
                () => lockedLamports,
              ),
            );
            return settling;
          },
        };
      } catch (error) {
        // A chain that did not reply may still have executed the transaction.
        if (error instanceof QvacError && error.code === 'E_CHAIN') onCost(Promise.resolve(lockedLamports));
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
