import { equalBytes } from '../../lib/bytes.ts';
import { sha256 } from '../../protocol/digests.ts';
import { isZero } from '../../protocol/layouts/body.ts';
import { quotedLamports } from '../../protocol/messages/quote.ts';
import { type Offer, payFrom, type Quote } from '../../protocol/messages.ts';
import { priceJob } from '../../protocol/price.ts';
import { badReceipt } from '../fault.ts';
import { isFinal } from '../head.ts';
import type { Subject } from './subject.ts';

/**
 * The part of check 1 (section 4.4) that looks at quote, payment and acknowledgement.
 * @throws FaultError `bad-receipt`
 */
export function checkPayment(subject: Subject): void {
  const { receipt, offer, quote } = subject;
  const digest = receipt.quote && sha256(receipt.quote.body);
  if (digest === null || offer.quote === null ? digest !== offer.quote : !equalBytes(digest, offer.quote))
    throw badReceipt('the quote is not the one that the offer names');
  if (quote === null) checkUnquoted(offer);
  else checkQuoted(subject, quote);
  checkAck(subject);
}

/** What is to be paid for the job (section 3), in lamports; 0 if it pays nothing. */
export function payableLamports({ offer, head, ack, isScore }: Subject): bigint {
  const { pay } = offer.payment;
  if (pay === payFrom.nothing) return 0n;
  return priceJob(
    {
      promptCount: head.promptCount,
      n: head.n,
      ackedTokens: ack?.n ?? null,
      graceTokens: pay === payFrom.channel ? 0 : offer.terms.grace,
      isScore,
    },
    offer.terms,
  );
}

function checkUnquoted({ payment, terms }: Offer): void {
  if (payment.pay !== payFrom.nothing) throw badReceipt('a payment without a quote');
  const { promptTokens, grace, deliverWithinS, priceJobLamports, priceInLamports, priceOutLamports } = terms;
  const values = [promptTokens, grace, deliverWithinS, priceJobLamports, priceInLamports, priceOutLamports];
  if (payment.amountLamports !== 0n || values.some((value) => BigInt(value) !== 0n))
    throw badReceipt('the offer has terms, but no quote');
}

function checkQuoted({ offer, head }: Subject, quote: Quote): void {
  const { payment, terms, sampler } = offer;
  if (payment.pay !== payFrom.nothing && quote.pay === null)
    throw badReceipt('a payment that the quote does not ask for');
  if (!equalBytes(quote.peer, offer.provider)) throw badReceipt('the quote is of another provider');
  for (const field of ['client', 'modelId', 'requestDigest', 'execClass'] as const)
    if (!equalBytes(quote[field], offer[field])) throw badReceipt(`the quote's ${field} is not the offer's`);
  if (quote.mode !== offer.mode) throw badReceipt("the quote's mode is not the offer's");
  const repeated: Readonly<Record<string, readonly [bigint | number, bigint | number]>> = {
    priceJob: [quote.priceJob, terms.priceJobLamports],
    priceIn: [quote.priceIn, terms.priceInLamports],
    priceOut: [quote.priceOut, terms.priceOutLamports],
    grace: [quote.grace, terms.grace],
    deliverWithin: [quote.deliverWithin, terms.deliverWithinS],
    promptTokens: [quote.promptTokens, terms.promptTokens],
  };
  for (const [field, [quoted, offered]] of Object.entries(repeated))
    if (BigInt(quoted) !== BigInt(offered)) throw badReceipt(`the quote's ${field} is not the offer's`);
  if (sampler.maxTokens > quote.maxTokens)
    throw badReceipt(`up to ${sampler.maxTokens} tokens asked for, ${quote.maxTokens} were quoted`);
  checkAmount(offer, quote);
  if (head.promptCount > terms.promptTokens)
    throw badReceipt(`${head.promptCount} prompt tokens, ${terms.promptTokens} were quoted`);
}

/** Exactly the price of the quote's prompt tokens and the offer's `maxTokens`. */
function checkAmount({ payment, sampler }: Offer, quote: Quote): void {
  const amount = payment.pay === payFrom.nothing ? 0n : quotedLamports({ ...quote, maxTokens: sampler.maxTokens });
  if (payment.amountLamports !== amount)
    throw badReceipt(`the amount is ${payment.amountLamports} lamports instead of ${amount}`);
}

function checkAck({ offer, ack, head }: Subject): void {
  if (ack === null) return;
  const { pay, account } = offer.payment;
  if (pay === payFrom.channel ? !equalBytes(ack.account, account) : !isZero(ack.account))
    throw badReceipt('the acknowledgement is of another account than the offer');
  if (isFinal(head) && ack.n > head.n)
    throw badReceipt(`${ack.n} tokens were acknowledged, the final head covers ${head.n}`);
}
