import { createPublicKey, verify } from 'node:crypto';
import { Fault, faultUnless, integer, isZero, Malformed, same, sameNumbers, sha, tag } from './independent/bytes.ts';
import { encode, type Value } from './independent/cbor.ts';
import { Mask } from './independent/mask.ts';
import type { Head, Opening, ScoredStep, Step } from './independent/messages.ts';
import { type Receipt, readReceipt, type Signed } from './independent/receipt.ts';
import { adjusted, chainOf, drawn, positionsOf, quantised, rootOf, rootOver } from './independent/sampling.ts';

/**
 * Checks 1 to 4 of a receipt (protocol, sections 1 to 5), written from the protocol page alone and with nothing of the
 * product in it: what a stranger would write. Slow and plain on purpose.
 */

export interface Finding {
  readonly result: 'pass' | 'fail' | 'inconclusive' | 'malformed';
  readonly fault: string | null;
}

const belongs = (condition: boolean): void => faultUnless(condition, 'bad-receipt');

/** What checks 1 to 4 say of the receipt in `json`. @param vocabulary bytes of each token, for a grammar */
export function checkIndependently(json: string, vocabulary: readonly Uint8Array[] | null = null): Finding {
  try {
    return check(readReceipt(json), vocabulary);
  } catch (error) {
    if (error instanceof Malformed) return { result: 'malformed', fault: null };
    if (error instanceof Fault) return { result: 'fail', fault: error.code };
    throw error;
  }
}

function check(receipt: Receipt, vocabulary: readonly Uint8Array[] | null): Finding {
  const { offer, opening, score, heads, grammar } = receipt;
  const [head] = heads;
  if (head === undefined) throw new Malformed('no head');
  const jobId = sha(tag('qvac/job/1'), receipt.offerSigned.body);
  checkSignatures(receipt, jobId);
  const chain = checkDelivery(receipt, head);
  checkMoney(receipt, head);
  const openedSteps = opening?.steps.length ?? score?.steps.length ?? 0;
  if (opening !== null) checkOpened(receipt, opening, head, jobId, chain);
  if (score !== null) checkScored(receipt, score, head, jobId, chain);
  const usable =
    vocabulary !== null &&
    receipt.extra.vocabDigest !== undefined &&
    same(vocabDigest(vocabulary), receipt.extra.vocabDigest);
  const mask = grammar !== null && usable ? () => new Mask(grammar, vocabulary, offer.stops) : null;
  if (receipt.openingSigned !== null) checkDrawn(receipt, mask?.() ?? null);
  if (head.finish !== 255) checkEnd(receipt, head, mask);
  // The proofs of mode zk are not verified here.
  const isProven = offer.mode !== 3 && (grammar === null || mask !== null);
  return { result: openedSteps > 0 && isProven ? 'pass' : 'inconclusive', fault: null };
}

function vocabDigest(vocabulary: readonly Uint8Array[]): Buffer {
  return sha(
    tag('qvac/vocab/1'),
    integer(vocabulary.length, 4),
    ...vocabulary.flatMap((token) => [integer(token.length, 4), token]),
  );
}

// Check 1

function isSigned(by: Buffer, kind: string, jobId: Buffer, { body, sig }: Signed): boolean {
  const key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: by.toString('base64url') } });
  return verify(null, Buffer.concat([tag(kind), jobId, sha(body)]), key, sig);
}

function checkSignatures(receipt: Receipt, jobId: Buffer): void {
  const { offer, ack, heads, opening, score, verdicts } = receipt;
  const signed = (by: Buffer, kind: string, job: Buffer, message: Signed | null | undefined): void =>
    faultUnless(!message || isSigned(by, kind, job, message), 'bad-signature');
  signed(offer.client, 'qvac/offer/1', jobId, receipt.offerSigned);
  if (ack) signed(offer.client, 'qvac/ack/1', ack.jobId, receipt.ackSigned);
  signed(offer.provider, 'qvac/quote/1', Buffer.alloc(32), receipt.quoteSigned);
  for (const [at, head] of heads.entries()) signed(offer.provider, 'qvac/head/1', head.jobId, receipt.headsSigned[at]);
  if (opening) signed(offer.provider, 'qvac/open/1', opening.jobId, receipt.openingSigned);
  if (score) signed(offer.provider, 'qvac/score/1', score.jobId, receipt.openingSigned);
  for (const [at, verdict] of verdicts.entries())
    signed(verdict.verifier, 'qvac/verdict/1', verdict.jobId, receipt.verdictsSigned[at]);
  for (const part of [ack, opening, score, ...heads, ...verdicts]) belongs(!part || same(part.jobId, jobId));
}

function conflict(one: Head, other: Head): boolean {
  const differs = (field: 'inputDigest' | 'execClass' | 'root' | 'prefix' | 'textDigest'): boolean =>
    !same(one[field], other[field]);
  if (differs('inputDigest') || differs('execClass') || one.promptCount !== other.promptCount) return true;
  const [final, running] = [one, other].map(({ finish }) => finish !== 255) as [boolean, boolean];
  if (final && running)
    return (
      one.n !== other.n || one.finish !== other.finish || differs('root') || differs('prefix') || differs('textDigest')
    );
  if (one.n === other.n) return differs('root') || differs('prefix') || (!final && !running && differs('textDigest'));
  if (!final && !running) return false;
  return (final ? other.n : one.n) > (final ? one.n : other.n);
}

/** Returns the prefix chain over all tokens. */
function checkDelivery(receipt: Receipt, head: Head): readonly Buffer[] {
  const { offer, heads, promptTokens, tokens, input, exec } = receipt;
  for (const [at, one] of heads.entries())
    for (const other of heads.slice(at + 1)) faultUnless(!conflict(one, other), 'equivocation');
  const prompt = promptTokens.map((token) => integer(token, 4));
  const inputDigest = sha(tag('qvac/input/1'), offer.modelId, integer(prompt.length, 4), ...prompt);
  belongs(head.promptCount === promptTokens.length && same(head.inputDigest, inputDigest));
  belongs(same(head.execClass, offer.execClass));
  belongs(exec === null || same(sha(encode(exec)), offer.execClass));
  belongs(input === null || same(sha(tag('qvac/request/1'), encode(input as unknown as Value)), offer.requestDigest));
  const chain = chainOf(inputDigest, tokens);
  belongs(head.n === tokens.length && same(head.prefix, chain[head.n] ?? Buffer.alloc(0)));
  checkAgreed(receipt);
  for (const { n, prefix } of heads) faultUnless(same(chain[n] ?? Buffer.alloc(0), prefix), 'equivocation');
  belongs(same(sha(Buffer.from(receipt.text)), head.textDigest));
  belongs(receipt.secret === null || same(sha(receipt.secret), offer.commit));
  for (const { root } of receipt.verdicts) belongs(same(root, head.root));
  return chain;
}

function checkAgreed({ offer, input, promptTokens, tokens, extra, extraBytes, grammar }: Receipt): void {
  const isScore = offer.mode === 4;
  if (!isScore) {
    belongs(offer.start <= promptTokens.length);
    belongs(input === null || sameNumbers(input.continuation, promptTokens.slice(promptTokens.length - offer.start)));
  }
  belongs(same(offer.extra, extraBytes.length === 0 ? Buffer.alloc(32) : sha(tag('qvac/extra/1'), extraBytes)));
  belongs((grammar === null) === (extra.grammar === undefined));
  if (grammar !== null && extra.grammar !== undefined)
    belongs(same(sha(tag('qvac/grammar/1'), encode(grammar as unknown as Value)), extra.grammar));
  if (isScore) {
    belongs(offer.temperature === 100 && offer.minP === 0 && offer.topP === 100 && offer.start === 0);
    belongs(Object.keys(extra).every((key) => key === 'grammar' || key === 'vocabDigest'));
    belongs(input === null || sameNumbers(input.continuation, tokens));
  }
  if (offer.mode === 3)
    belongs(extraBytes.length === 0 && offer.topP === 100 && offer.count <= 128 && offer.vocab <= 2 ** 18);
}

function checkMoney({ offer, quote, quoteSigned, ack, promptTokens }: Receipt, head: Head): void {
  belongs(same(offer.quote, quoteSigned ? sha(quoteSigned.body) : Buffer.alloc(32)));
  if (quote === null) {
    const { pay, amount, promptTokens: most, priceJob, priceIn, priceOut, grace, deliverWithin } = offer;
    belongs([pay, amount, most, priceJob, priceIn, priceOut, grace, deliverWithin].every((term) => Number(term) === 0));
  } else {
    belongs(offer.pay === 0 || quote.pay !== null);
    belongs(same(quote.peer, offer.provider) && quote.mode === offer.mode);
    for (const field of ['client', 'modelId', 'requestDigest', 'execClass'] as const)
      belongs(same(quote[field], offer[field]));
    for (const field of ['priceJob', 'priceIn', 'priceOut', 'grace', 'deliverWithin', 'promptTokens'] as const)
      belongs(BigInt(quote[field]) === BigInt(offer[field]));
    belongs(offer.maxTokens <= quote.maxTokens && promptTokens.length <= offer.promptTokens);
    const counted =
      offer.mode === 4 ? [quote.promptTokens + offer.maxTokens, 0] : [quote.promptTokens, offer.maxTokens];
    const thousandths = BigInt(counted[0] ?? 0) * offer.priceIn + BigInt(counted[1] ?? 0) * offer.priceOut;
    belongs(offer.amount === (offer.pay === 0 ? 0n : offer.priceJob + (thousandths + 999n) / 1000n));
  }
  if (ack === null) return;
  belongs(offer.pay === 2 ? same(ack.account, offer.account) : isZero(ack.account));
  belongs(head.finish === 255 || ack.n <= head.n);
}

// Check 2

const fieldOrder = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

function checkOpened(receipt: Receipt, opening: Opening, head: Head, jobId: Buffer, chain: readonly Buffer[]): void {
  const { offer, secret, tokens } = receipt;
  const opened = (condition: boolean): void => faultUnless(condition, 'bad-opening');
  const isZk = offer.mode === 3;
  opened(opening.v === (isZk ? 2 : 1) && same(opening.root, head.root));
  const positions = positionsOf(head.root, secret ?? Buffer.alloc(0), head.n, offer.count);
  opened(
    sameNumbers(
      opening.steps.map(({ i }) => i),
      positions,
    ),
  );
  for (const step of opening.steps) {
    opened(isZk ? BigInt(`0x${step.zk.toString('hex')}`) < fieldOrder : isZero(step.zk));
    opened(same(rootOver(leafOf(step, jobId), step.i, head.n, step.path) ?? Buffer.alloc(0), head.root));
  }
  for (const { i, token, prefix } of opening.steps)
    faultUnless(token === tokens[i] && same(prefix, chain[i] ?? Buffer.alloc(0)), 'prefix-break');
}

function leafOf({ i, token, prefix, salt, candidates, exact, zk }: Step, jobId: Buffer): Buffer {
  const at = integer(i, 4);
  let committed: Buffer = Buffer.alloc(32);
  if (salt !== undefined && candidates !== undefined) {
    faultUnless(candidates.length < 256, 'bad-opening');
    const pairs = candidates.map(([id, q]) => Buffer.concat([integer(id, 4), integer(q, 4)]));
    committed = sha(tag('qvac/cand/1'), jobId, at, salt, integer(pairs.length, 1), ...pairs);
  }
  return sha(integer(0, 1), tag('qvac/step/1'), jobId, at, integer(token, 4), prefix, committed, exact, zk);
}

function checkScored(
  { tokens }: Receipt,
  { root, steps }: { readonly root: Buffer; readonly steps: readonly ScoredStep[] },
  head: Head,
  jobId: Buffer,
  chain: readonly Buffer[],
): void {
  const opened = (condition: boolean): void => faultUnless(condition, 'bad-opening');
  opened(same(root, head.root) && steps.length === head.n);
  const leaves = steps.map(({ salt, ids, logits }, i) => {
    opened(ids.length < 256);
    const candidates = ids.map((id, at) => [id, quantised(logits.readFloatBE(4 * at))] as const);
    const pairs = ids.flatMap((id, at) => [integer(id, 4), logits.subarray(4 * at, 4 * at + 4)]);
    const exact = sha(tag('qvac/exact/1'), integer(ids.length, 1), ...pairs);
    const prefix = chain[i] ?? Buffer.alloc(0);
    return leafOf({ i, token: tokens[i] ?? 0, prefix, salt, candidates, exact, zk: Buffer.alloc(32), path: [] }, jobId);
  });
  opened(same(rootOf(leaves), head.root));
}

// Check 3

function checkDrawn({ offer, promptTokens, tokens, opening, score, extra }: Receipt, mask: Mask | null): void {
  const fair = (condition: boolean): void => faultUnless(condition, 'sampler-mismatch');
  const continuation = promptTokens.slice(promptTokens.length - offer.start);
  const answer = [...continuation, ...tokens];
  fair(answer.every((token) => token < offer.vocab));
  if (offer.mode === 3) return;
  for (const [at, token] of answer.entries()) {
    const allowed = mask?.allowed() ?? null;
    faultUnless(allowed === null || allowed.includes(token), 'mask-break');
    const step = opening?.steps.find(({ i }) => offer.start + i === at);
    const ids = step?.candidates?.map(([id]) => id) ?? score?.steps[at]?.ids;
    if (ids !== undefined) {
      fair(ids.every((id, index) => id < offer.vocab && (index === 0 || id > (ids[index - 1] ?? 0))));
      if (allowed !== null)
        faultUnless(
          ids.length === Math.min(offer.topK, allowed.length) && ids.every((id) => allowed.includes(id)),
          'mask-break',
        );
      else if (extra.grammar === undefined) fair(ids.length === Math.min(offer.topK, offer.vocab));
    }
    if (step?.candidates) fair(drawn(adjusted(step.candidates, extra, answer.slice(0, at)), offer, at) === token);
    mask?.go(token);
  }
}

// Check 4

function checkEnd(receipt: Receipt, head: Head, createMask: (() => Mask) | null): void {
  const { offer, tokens, ack, extra, text, promptTokens } = receipt;
  const right = (condition: boolean): void => faultUnless(condition, 'bad-length');
  if (offer.mode === 4) {
    right(head.finish === 4 && head.n === offer.maxTokens);
    return;
  }
  const stop = tokens.findIndex((token) => offer.stops.includes(token));
  right(head.n <= offer.maxTokens && (stop === -1 || stop === head.n - 1));
  if (stop !== -1) right(head.finish === 0);
  else if (head.n === offer.maxTokens) right(head.finish === 1);
  else right([2, 3, 5].includes(head.finish));
  right(head.finish !== 2 || ack?.stop === 1);
  const holds = extra.stopTexts?.some((stopText) => text.includes(stopText)) ?? false;
  if (head.finish === 0 && offer.start === 0) right(!holds);
  if (head.finish !== 5) return;
  right(extra.stopTexts !== undefined || extra.grammar !== undefined);
  if (holds || offer.start > 0 || (extra.grammar !== undefined && createMask === null)) return;
  right(createMask !== null);
  const mask = createMask?.();
  for (const token of [...promptTokens.slice(promptTokens.length - offer.start), ...tokens]) mask?.go(token);
  right(mask?.allowed().length === 0);
}
