import { equalBytes, fromHex } from '../lib/bytes.ts';
import { jobIdOf } from '../protocol/digests.ts';
import type { Cancel, Head, Offer, Quote, Signed } from '../protocol/messages.ts';
import type { Delivery, JobAccount, JobTerms, SubmittedHead } from './escrow.ts';

/** What the program has to keep of a job: from the offer (its signed body gives the id) and the quote that it names. */
export function termsOf(offer: Offer, offerBody: Uint8Array, quote: Quote): JobTerms {
  if (offer.payment === null) throw new RangeError('"offer" expected a payment');
  const { temperature, minP, topK, vocab, maxTokens } = offer.sampler;
  return {
    jobId: fromHex(jobIdOf(offerBody)),
    peer: offer.provider,
    clientPeer: offer.client,
    priceIn: BigInt(quote.priceIn),
    priceOut: BigInt(quote.priceOut),
    amount: BigInt(offer.payment.amount),
    seed: offer.seed,
    sampler: { temperature, minP, topK, vocab },
    maxTokens,
  };
}

/** The names of the terms that `job` has otherwise, in words; empty where it is the job that was agreed on. */
export function differingTerms(job: JobTerms, agreed: JobTerms): readonly string[] {
  const same: Readonly<Record<string, boolean>> = {
    'job id': equalBytes(job.jobId, agreed.jobId),
    "the provider's node": equalBytes(job.peer, agreed.peer),
    "the client's node": equalBytes(job.clientPeer, agreed.clientPeer),
    'price of the prompt': job.priceIn === agreed.priceIn,
    'price of the answer': job.priceOut === agreed.priceOut,
    amount: job.amount === agreed.amount,
    seed: equalBytes(job.seed, agreed.seed),
    temperature: job.sampler.temperature === agreed.sampler.temperature,
    minP: job.sampler.minP === agreed.sampler.minP,
    topK: job.sampler.topK === agreed.sampler.topK,
    vocabulary: job.sampler.vocab === agreed.sampler.vocab,
    'most tokens': job.maxTokens === agreed.maxTokens,
  };
  return Object.keys(same).filter((name) => same[name] !== true);
}

/** What a provider submits of its final head; with finish 2 the client's cancel belongs to it. */
export function deliveryOf(head: Head, cancel: { readonly body: Cancel; readonly signed: Signed } | null): Delivery {
  return {
    root: head.root,
    textDigest: head.textDigest,
    promptCount: head.promptCount,
    tokenCount: head.n,
    finish: head.finish,
    cancel: head.finish === 2 && cancel !== null ? { n: cancel.body.n, sig: cancel.signed.sig } : null,
  };
}

/** What a provider gets: the price of what was delivered, at most what was locked. Lamports. */
export function payoutOf(
  { priceIn, priceOut, amount }: Pick<JobTerms, 'priceIn' | 'priceOut' | 'amount'>,
  { promptCount, paidCount }: Pick<SubmittedHead, 'promptCount' | 'paidCount'>,
): bigint {
  const price = (BigInt(promptCount) * priceIn + BigInt(paidCount) * priceOut + 999n) / 1000n;
  return price < amount ? price : amount;
}

/** Whether the chain holds what `head` says: what a client compares before it confirms. */
export function isSubmitted(job: JobAccount, head: Head): boolean {
  const { submitted } = job;
  return (
    submitted !== null &&
    equalBytes(submitted.root, head.root) &&
    equalBytes(submitted.textDigest, head.textDigest) &&
    submitted.promptCount === head.promptCount &&
    submitted.tokenCount === head.n &&
    submitted.finish === head.finish
  );
}
