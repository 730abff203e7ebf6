import { cancelGraceTokens } from './constants.ts';
import type { Finish } from './messages.ts';

export interface PriceTerms {
  readonly promptCount: number;
  /** Output tokens, the stop token included. */
  readonly n: number;
  /** Lamports per 1,000 tokens. */
  readonly priceIn: number;
  readonly priceOut: number;
}

/** Section 3: price of a job in lamports, rounded up once. May pass 2^53. */
export function priceLamports({ promptCount, n, priceIn, priceOut }: PriceTerms): bigint {
  const thousandths = BigInt(promptCount) * BigInt(priceIn) + BigInt(n) * BigInt(priceOut);
  return (thousandths + 999n) / 1000n;
}

/** Section 3: the output tokens that count; after a cancel (finish 2) at most 32 beyond those its client had. */
export function payableTokens({
  n,
  finish,
  cancelN,
}: {
  readonly n: number;
  readonly finish: Finish;
  readonly cancelN: number | null;
}): number {
  return finish === 2 && cancelN !== null ? Math.min(n, cancelN + cancelGraceTokens) : n;
}
