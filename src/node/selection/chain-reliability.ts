import type { ChainRecord } from '../payment/payments.ts';
import {
  matureAgeMs,
  matureEarnedLamports,
  newcomerReliability,
  priorLamports,
  rejectedWeight,
  slashedWeight,
} from './constants.ts';

/**
 * The expected share of paid jobs that a provider serves well, 0 … 1, by what money and time cost. A newcomer starts
 * below a provider that earned for a while without rejections. Earnings can be paid to oneself for the fees, so they
 * count only together with the time since the registration; what rejections burnt counts as a share of the money, and a
 * slash is proved, so nothing offsets it. Refunds say nothing.
 */
export function chainReliability({ earned, rejected, slashed, ageMs }: ChainRecord): number {
  const maturity = Math.min(1, Number(earned) / matureEarnedLamports) * Math.min(1, ageMs / matureAgeMs);
  const trust = newcomerReliability + (1 - newcomerReliability) * maturity;
  const burntShare = Number(rejected) / (priorLamports + Number(earned) + Number(rejected));
  return (trust * (1 - burntShare) ** rejectedWeight) / (1 + slashed * slashedWeight);
}
