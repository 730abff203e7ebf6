import { addressText } from '../../escrow/addresses.ts';
import type { ClientPayments, EscrowWallet } from '../../node/payment/payments.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import { modes } from '../../protocol/codes.ts';
import type { Signatures } from './signatures.ts';

/** Wraps `payments`: before money is locked, the person in `page` must approve the amount and the payee. */
export function withConsent(payments: ClientPayments, signatures: Signatures, page: string): ClientPayments {
  const agreeing = (paying: EscrowWallet): EscrowWallet => ({
    refusal: (pay) => paying.refusal(pay),
    plan: (quote, limits, options) => paying.plan(quote, limits, options),
    records: (options) => paying.records(options),
    resume: (options) => paying.resume(options),
    async lock(order, options = {}) {
      const { jobId, offer, quote } = order;
      const payee = quote.pay === null ? '' : addressText(quote.pay.payee);
      await signatures.consent(
        page,
        {
          kind: 'job_create',
          job: jobId,
          amount: offer.payment.amountLamports.toString(),
          payee,
          provider: peerIdOf(quote.peer),
          isScore: offer.mode === modes.score,
        },
        options,
      );
      return paying.lock(order, options);
    },
  });
  return {
    start: () => payments.start(),
    stop: () => payments.stop(),
    open: async (options) => agreeing(await payments.open(options)),
  };
}
