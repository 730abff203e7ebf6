import type { ChainRecord } from '../payment/payments.ts';
import { chainPriorJobs, rejectedWeight, slashedWeight } from './constants.ts';

/**
 * The expected share of paid jobs that a provider serves, 0 … 1. A newcomer has 1, since completed jobs prove little: a
 * provider can be its own client. A slash is proved, so completed jobs cannot offset it.
 */
export function chainReliability({ completed, refunded, rejected, slashed }: ChainRecord): number {
  const good = completed + chainPriorJobs;
  return good / (good + refunded + rejected * rejectedWeight) / (1 + slashed * slashedWeight);
}
