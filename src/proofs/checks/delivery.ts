import { equalBytes, fromHex } from '../../lib/bytes.ts';
import { execClassOf, inputDigestOf, jobIdHex, requestDigestOf, sha256, textDigestOf } from '../../protocol/digests.ts';
import { type Head, type Kind, kinds, type Signed } from '../../protocol/messages.ts';
import { badReceipt, FaultError } from '../fault.ts';
import { isEquivocation, isFinal } from '../head.ts';
import { prefixesAt } from '../sampling/step.ts';
import { verifyBody } from '../signing.ts';
import { checkAgreement } from './agreement.ts';
import type { Finding } from './check-run.ts';
import { checkPayment } from './payment.ts';
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
  const prefixes = checkHead(subject);
  checkAgreement(subject);
  checkOtherHeads(subject.heads, prefixes);
  checkText(subject);
  checkPayment(subject);
  const { head } = subject;
  const covered = isFinal(head) ? 'the final head' : 'the newest head of an answer that was cut off';
  return {
    result: 'pass',
    detail: subject.isEmbedding
      ? `all signatures are good; ${covered} covers ${counted(head.n, 'vector')}`
      : `all signatures are good; ${covered} covers the prompt, ${counted(head.n, 'token')} and the text`,
  };
}

function checkSignatures(subject: Subject): void {
  const { receipt, offer, jobId, quote, ack, heads, verdicts, isScore } = subject;
  const opening = openingOf(subject);
  const check = (
    what: string,
    signer: Uint8Array,
    kind: Kind,
    job: Uint8Array | null,
    signed: Signed | null | undefined,
  ): void => {
    if (signed && verifyBody(signer, kind, job && jobIdHex(job), signed)) return;
    throw new FaultError('bad-signature', `the ${what} is not signed by the peer that it names`);
  };
  check('offer', offer.client, kinds.offer, fromHex(jobId), receipt.offer);
  if (ack) check('acknowledgement', offer.client, kinds.ack, ack.jobId, receipt.ack);
  if (quote) check('quote', offer.provider, kinds.quote, null, receipt.quote);
  for (const [at, head] of heads.entries()) check('head', offer.provider, kinds.head, head.jobId, receipt.heads[at]);
  if (opening) check('opening', offer.provider, isScore ? kinds.score : kinds.opening, opening.jobId, receipt.opening);
  for (const [at, verdict] of verdicts.entries())
    check('verdict', verdict.verifier, kinds.verdict, verdict.jobId, receipt.verdicts[at]);
}

function checkJobIds(subject: Subject): void {
  const { jobId, ack, heads, verdicts } = subject;
  const isOther = (message: { readonly jobId: Uint8Array } | null): boolean =>
    message !== null && jobIdHex(message.jobId) !== jobId;
  if (isOther(ack)) throw badReceipt('the acknowledgement is of another job');
  if (heads.some(isOther)) throw badReceipt('a head is of another job');
  if (isOther(openingOf(subject))) throw badReceipt('the opening is of another job');
  if (verdicts.some(isOther)) throw badReceipt('a verdict is of another job');
}

function openingOf({
  opening,
  zkOpening,
  scoreOpening,
  vectorOpening,
}: Subject): { readonly jobId: Uint8Array } | null {
  return opening ?? zkOpening ?? scoreOpening ?? vectorOpening;
}

/**
 * Finds a pair of heads that is equivocation if there is one, in linear time: each is held against the first head, and
 * against the first other one that is not final and has the same `n`.
 */
function checkHeadPairs(heads: readonly Head[]): void {
  const [first, ...others] = heads;
  const firstOfN = new Map<number, Head>();
  if (first !== undefined && !isFinal(first)) firstOfN.set(first.n, first);
  for (const head of others) {
    const before = firstOfN.get(head.n);
    if (!isFinal(head) && before === undefined) firstOfN.set(head.n, head);
    const conflicts = [first, isFinal(head) ? undefined : before].some(
      (other) => other !== undefined && isEquivocation(other, head),
    );
    if (conflicts) throw new FaultError('equivocation', 'the provider signed two heads that cannot both be honest');
  }
}

/**
 * The fields of the first head. Returns the prefix that the receipt's tokens have where each head stands: of an
 * embedding job, whose heads cover vectors, always that of the prompt.
 */
function checkHead({ receipt, offer, head, heads, isEmbedding }: Subject): ReadonlyMap<number, Uint8Array> {
  const { promptTokens, tokens, input, exec } = receipt;
  if (head.promptCount !== promptTokens.length)
    throw badReceipt(
      `the head covers ${counted(head.promptCount, 'prompt token')}, the receipt has ${promptTokens.length}`,
    );
  if (!equalBytes(head.inputDigest, inputDigestOf(offer.modelId, promptTokens)))
    throw badReceipt('the prompt tokens are not those of the head');
  if (!equalBytes(head.execClass, offer.execClass))
    throw badReceipt('the execution class of the head is not the offered one');
  if (exec !== null && !equalBytes(head.execClass, execClassOf(exec)))
    throw badReceipt('the exec map is not that of the execution class');
  if (input !== null && !equalBytes(offer.requestDigest, requestDigestOf(input)))
    throw badReceipt('the input is not the one that was requested');
  if (!isEmbedding && head.n !== tokens.length)
    throw badReceipt(`the head covers ${counted(head.n, 'token')}, the receipt has ${tokens.length}`);
  const positions = heads.map(({ n }) => n);
  const prefixes = isEmbedding
    ? new Map(positions.map((n) => [n, head.inputDigest]))
    : prefixesAt(head.inputDigest, tokens, positions);
  if (!isOnChain(head, prefixes)) throw badReceipt('the tokens are not those of the head');
  return prefixes;
}

function isOnChain(head: Head, prefixes: ReadonlyMap<number, Uint8Array>): boolean {
  return equalBytes(head.prefix, prefixes.get(head.n) ?? new Uint8Array());
}

function checkOtherHeads(heads: readonly Head[], prefixes: ReadonlyMap<number, Uint8Array>): void {
  if (!heads.every((head) => isOnChain(head, prefixes)))
    throw new FaultError('equivocation', 'an earlier head covers other tokens than the final one');
}

function checkText({ receipt, offer, head, verdicts }: Subject): void {
  if (!equalBytes(head.textDigest, textDigestOf(receipt.text))) throw badReceipt('the text is not that of the head');
  if (receipt.secret !== null && !equalBytes(sha256(receipt.secret), offer.challenge.commit))
    throw badReceipt('the secret is not the one that the offer committed to');
  if (verdicts.some(({ root }) => !equalBytes(root, head.root))) throw badReceipt('a verdict is about another answer');
}
