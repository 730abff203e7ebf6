import { equalBytes } from '../lib/bytes.ts';
import type { AnswerTerms, JobAccount } from './accounts.ts';

const scoreMode = 4;

/** What a provider gets for this many tokens: their price, at most what was locked. Lamports. */
export function payoutOf(
  terms: Pick<AnswerTerms, 'priceJob' | 'priceIn' | 'priceOut' | 'mode'>,
  counts: { readonly promptCount: number; readonly paidCount: number },
  amount: bigint,
): bigint {
  const pricePaid = terms.mode === scoreMode ? terms.priceIn : terms.priceOut;
  const tokens = BigInt(counts.promptCount) * terms.priceIn + BigInt(counts.paidCount) * pricePaid;
  const price = terms.priceJob + (tokens + 999n) / 1_000n;
  return price < amount ? price : amount;
}

/** Whether the chain holds what `head` says: what a client compares before it confirms. */
export function isSubmitted(
  { submitted }: Pick<JobAccount, 'submitted'>,
  head: {
    readonly root: Uint8Array;
    readonly textDigest: Uint8Array;
    readonly promptCount: number;
    readonly n: number;
    readonly finish: number;
  },
): boolean {
  return (
    submitted !== null &&
    equalBytes(submitted.root, head.root) &&
    equalBytes(submitted.textDigest, head.textDigest) &&
    submitted.promptCount === head.promptCount &&
    submitted.tokenCount === head.n &&
    submitted.finish === head.finish
  );
}
