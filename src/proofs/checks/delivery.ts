import { equalBytes, fromHex } from '../../lib/bytes.ts';
import { execClassOf, inputDigestOf, jobIdHex, requestDigestOf, sha256, textDigestOf } from '../../protocol/digests.ts';
import { type Head, type Kind, kinds, type Offer, type Quote, type Signed } from '../../protocol/messages.ts';
import { payableTokens, priceLamports } from '../../protocol/price.ts';
import { FaultError } from '../fault.ts';
import { isEquivocation, isFinal } from '../head.ts';
import { verifyBody } from '../signing.ts';
import { prefixesAt } from '../step.ts';
import type { Finding } from './check-run.ts';
import { counted, type Subject } from './subject.ts';

/**
 * Check 1 (section 4.4): what was delivered is what was committed. In the order of the section, so that everyone names
 * the same fault.
 * @throws FaultError
 */
export function checkDelivery(subject: Subject): Finding {
  checkSignatures(subject);
  checkJobIds(subject);
  checkHeadPairs(subject.heads);
  checkFinalHead(subject);
  checkChain(subject);
  checkText(subject);
  checkQuote(subject);
  return {
    result: 'pass',
    detail: `all signatures are good; the final head covers the prompt, ${counted(subject.final.n, 'token')} and the text`,
  };
}

function badReceipt(detail: string): FaultError {
  return new FaultError('bad-receipt', detail);
}

function checkSignatures({ receipt, offer, jobId, quote, cancel, heads, opening, verdicts }: Subject): void {
  const check = (
    what: string,
    signer: Uint8Array,
    kind: Kind,
    job: Uint8Array | null,
    signed: Signed | null | undefined,
  ): void => {
    if (signed && verifyBody(signer, kind, job && jobIdHex(job), signed)) return;
    throw new FaultError('bad-signature', `the ${what} is not signed by whom it names`);
  };
  check('offer', offer.client, kinds.offer, fromHex(jobId), receipt.offer);
  if (cancel) check('cancel', offer.client, kinds.cancel, cancel.jobId, receipt.cancel);
  if (quote) check('quote', offer.provider, kinds.quote, null, receipt.quote);
  for (const [at, head] of heads.entries()) check('head', offer.provider, kinds.head, head.jobId, receipt.heads[at]);
  if (opening) check('opening', offer.provider, kinds.opening, opening.jobId, receipt.opening);
  for (const [at, verdict] of verdicts.entries())
    check('verdict', verdict.verifier, kinds.verdict, verdict.jobId, receipt.verdicts[at]);
}

function checkJobIds({ jobId, cancel, heads, opening, verdicts }: Subject): void {
  const isOther = (message: { readonly jobId: Uint8Array } | null): boolean =>
    message !== null && jobIdHex(message.jobId) !== jobId;
  if (isOther(cancel)) throw badReceipt('the cancel is of another job');
  if (heads.some(isOther)) throw badReceipt('a head is of another job');
  if (isOther(opening)) throw badReceipt('the opening is of another job');
  if (verdicts.some(isOther)) throw badReceipt('a verdict is of another job');
}

/**
 * Finds a pair of heads that is equivocation if there is one, in linear time: each is held against the final head, and
 * against the first other one that is not final and has the same `n`.
 */
function checkHeadPairs(heads: readonly Head[]): void {
  const [final, ...others] = heads;
  const firstOfN = new Map<number, Head>();
  for (const head of others) {
    const before = firstOfN.get(head.n);
    if (!isFinal(head) && before === undefined) firstOfN.set(head.n, head);
    const conflicts = [final, isFinal(head) ? undefined : before].some(
      (other) => other !== undefined && isEquivocation(other, head),
    );
    if (conflicts) throw new FaultError('equivocation', 'the provider signed two heads that cannot both be honest');
  }
}

function checkFinalHead({ receipt, offer, final }: Subject): void {
  const { promptTokens, tokens, input, exec } = receipt;
  if (final.promptCount !== promptTokens.length)
    throw badReceipt(
      `the final head covers ${counted(final.promptCount, 'prompt token')}, the receipt has ${promptTokens.length}`,
    );
  if (!equalBytes(final.inputDigest, inputDigestOf(offer.modelId, promptTokens)))
    throw badReceipt('the prompt tokens are not those of the final head');
  if (!equalBytes(final.execClass, offer.execClass))
    throw badReceipt('the execution class of the final head is not the offered one');
  if (exec !== null && !equalBytes(final.execClass, execClassOf(exec)))
    throw badReceipt('the exec map is not that of the execution class');
  if (input !== null && !equalBytes(offer.requestDigest, requestDigestOf(input)))
    throw badReceipt('the input is not the one that was requested');
  if (final.n !== tokens.length)
    throw badReceipt(`the final head covers ${counted(final.n, 'token')}, the receipt has ${tokens.length}`);
}

/** The final head's prefix first, then those of the other heads. */
function checkChain({ receipt, heads, final }: Subject): void {
  const prefixes = prefixesAt(
    final.inputDigest,
    receipt.tokens,
    heads.map(({ n }) => n),
  );
  const isOnChain = (head: Head): boolean => equalBytes(head.prefix, prefixes.get(head.n) ?? new Uint8Array());
  if (!isOnChain(final)) throw badReceipt('the tokens are not those of the final head');
  for (const head of heads) {
    if (!isOnChain(head))
      throw new FaultError('equivocation', 'an earlier head covers other tokens than the final one');
  }
}

function checkText({ receipt, offer, final, verdicts }: Subject): void {
  if (!equalBytes(final.textDigest, textDigestOf(receipt.text)))
    throw badReceipt('the text is not that of the final head');
  if (receipt.secret !== null && !equalBytes(sha256(receipt.secret), offer.challenge.commit))
    throw badReceipt('the secret is not the one that the offer committed to');
  if (verdicts.some(({ root }) => !equalBytes(root, final.root))) throw badReceipt('a verdict is about another answer');
}

function checkQuote({ receipt, offer, quote, final, cancel }: Subject): void {
  const { payment } = offer;
  if (!isSameDigest(receipt.quote && sha256(receipt.quote.body), offer.quote))
    throw badReceipt('the quote is not the one that the offer names');
  if (quote === null) {
    if (payment !== null) throw badReceipt('a payment without a quote');
    return;
  }
  checkQuoteTerms(quote, offer, final);
  if (payment === null) return;
  const { pay } = quote;
  if (pay === null || pay.chain !== payment.chain || !equalBytes(pay.program, payment.program))
    throw badReceipt('the payment is not where the quote takes it');
  const n = Math.min(
    payableTokens({ n: final.n, finish: final.finish, cancelN: cancel?.n ?? null }),
    offer.sampler.maxTokens,
  );
  const price = priceLamports({ promptCount: final.promptCount, n, priceIn: quote.priceIn, priceOut: quote.priceOut });
  if (price > BigInt(payment.amount))
    throw badReceipt(`the price of ${price} lamports is above the payment of ${payment.amount}`);
}

function checkQuoteTerms(quote: Quote, offer: Offer, final: Head): void {
  if (!equalBytes(quote.peer, offer.provider)) throw badReceipt('the quote is of another provider');
  for (const field of ['client', 'modelId', 'requestDigest', 'execClass'] as const) {
    if (!equalBytes(quote[field], offer[field])) throw badReceipt(`the quote's ${field} is not the offer's`);
  }
  if (final.promptCount > quote.promptTokens)
    throw badReceipt(`${counted(final.promptCount, 'prompt token')}, ${quote.promptTokens} were quoted`);
  if (offer.sampler.maxTokens > quote.maxTokens)
    throw badReceipt(`up to ${counted(offer.sampler.maxTokens, 'token')} asked for, ${quote.maxTokens} were quoted`);
}

function isSameDigest(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equalBytes(a, b);
}
