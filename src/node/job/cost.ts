import { modes, type Offer, payFrom } from '../../protocol/messages.ts';
import { priceJob } from '../../protocol/price.ts';
import type { Job } from './job.ts';

export interface DeliveredCounts {
  readonly promptCount: number;
  /** Tokens under the head, the stop token included. */
  readonly n: number;
  /** The last acknowledged count; null if nothing was acknowledged. */
  readonly ackedTokens: number | null;
}

/** What has arrived of a job so far. */
export function countsOf({ received, ackedTokens }: Pick<Job, 'received' | 'ackedTokens'>): DeliveredCounts {
  return { promptCount: received.promptTokens.length, n: received.n, ackedTokens };
}

function graceOf({ payment, terms }: Offer): number {
  return payment.pay === payFrom.channel ? 0 : terms.grace;
}

/** What a job costs by the terms of its offer (section 3), lamports; 0 if it pays nothing. */
export function costOf(offer: Offer, counts: DeliveredCounts): bigint {
  if (offer.payment.pay === payFrom.nothing) return 0n;
  const isScore = offer.mode === modes.score;
  return priceJob({ ...counts, graceTokens: graceOf(offer), isScore }, offer.terms);
}

/** The most that the provider of a broken-off job can be paid, lamports: it may have sent more than arrived. */
export function mostCostOf(offer: Offer, counts: Omit<DeliveredCounts, 'n'>): bigint {
  return costOf(offer, { ...counts, n: offer.sampler.maxTokens });
}

/** Of the `n` tokens delivered, those that count for the price. */
export function payableTokens(offer: Offer, { n, ackedTokens }: Omit<DeliveredCounts, 'promptCount'>): number {
  if (offer.payment.pay === payFrom.nothing) return n;
  return ackedTokens === null || ackedTokens === 0 ? 0 : Math.min(n, ackedTokens + graceOf(offer));
}
