import type { ChainRecord } from '../payment/payments.ts';
import { chainPriorJobs, rejectedWeight, slashedWeight } from './constants.ts';

/**
 * The share of its paid jobs that a provider is expected to serve, 0 … 1: a newcomer 1, since good counts prove little.
 * A slash was proved, and no number of jobs with oneself makes it good.
 */
export function chainReliability({ completed, refunded, rejected, slashed }: ChainRecord): number {
  const good = completed + chainPriorJobs;
  return good / (good + refunded + rejected * rejectedWeight) / (1 + slashed * slashedWeight);
}
