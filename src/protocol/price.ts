import { headIntervalTokens, maxGraceTokens } from './constants.ts';

/** Lamports for a job and for 1,000 tokens. */
export interface Prices {
  readonly priceJobLamports: bigint;
  readonly priceInLamports: bigint;
  readonly priceOutLamports: bigint;
}

export interface PricedJob {
  readonly promptCount: number;
  /** Tokens under the head, the stop token included. */
  readonly n: number;
  /** The last acknowledged count; null if nothing was acknowledged. */
  readonly ackedTokens: number | null;
  /** Tokens paid beyond the acknowledged count; 0 in a channel. */
  readonly graceTokens: number;
  /** A score job: its tokens count as prompt tokens (section 4.7). */
  readonly isScore: boolean;
}

/**
 * Section 3: the price of a job, rounded up once. Nothing acknowledged costs nothing; a last acknowledgement of 0 costs
 * the job and its prompt.
 */
export function priceJob(job: PricedJob, prices: Prices): bigint {
  const { promptCount, n, ackedTokens, graceTokens, isScore } = job;
  if (ackedTokens === null) return 0n;
  const paid = ackedTokens === 0 ? 0 : Math.min(n, ackedTokens + graceTokens);
  return isScore ? lamports(promptCount + paid, 0, prices) : lamports(promptCount, paid, prices);
}

/** Section 4: the `amount` of an offer that pays, exactly the price of all that its quote covers. */
export function amountLamports(
  covered: { readonly promptTokens: number; readonly maxTokens: number; readonly isScore: boolean },
  prices: Prices,
): bigint {
  const { promptTokens, maxTokens, isScore } = covered;
  return isScore ? lamports(promptTokens + maxTokens, 0, prices) : lamports(promptTokens, maxTokens, prices);
}

function lamports(tokensIn: number, tokensOut: number, prices: Prices): bigint {
  const { priceJobLamports, priceInLamports, priceOutLamports } = prices;
  const thousandths = BigInt(tokensIn) * priceInLamports + BigInt(tokensOut) * priceOutLamports;
  return priceJobLamports + (thousandths + 999n) / 1000n;
}

/** An acknowledgement that takes 300 ms holds up nothing. */
const roundTripS = 0.3;
const minDefaultGraceTokens = 64;

/** Section 3: the grace that a provider quotes by default. */
export function defaultGraceTokens(tokensPerSecond: number): number {
  const ahead = headIntervalTokens + 1 + Math.ceil(roundTripS * tokensPerSecond);
  return Math.min(maxGraceTokens, Math.max(minDefaultGraceTokens, ahead));
}
