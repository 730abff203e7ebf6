import { toHex } from '../../lib/bytes.ts';
import type { ReceiptPart } from '../../node/verification/answer-parts.ts';
import { verifyWhole } from '../../node/verification/parts.ts';
import { verificationOf } from '../../node/verification/verification.ts';
import { assess } from '../../proofs/checks.ts';
import { decodeReceipt, type Receipt, type ReceiptContents } from '../../proofs/receipt.ts';
import { AnswerDraws } from '../../proofs/sampling/draws.ts';
import { weightsOf } from '../../proofs/sampling/sampler.ts';
import { candDigest, leafOf } from '../../proofs/sampling/step.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import { type Mode, modeName, modes, payFrom } from '../../protocol/codes.ts';
import { modelIdHex } from '../../protocol/digests.ts';
import type { OpenedStep, Verdict } from '../../protocol/messages.ts';
import type { VerificationOutcome } from '../answer/inference-client.ts';

/** The outcome according to the last verdict in a receipt. */
function verifiedOf(verdicts: readonly Pick<Verdict, 'result' | 'tier'>[], mode: Mode): VerificationOutcome {
  const last = verdicts.at(-1);
  if (last?.result === 'fail') return 'failed';
  // Nothing is opened for a chain, but what was computed again is verified.
  if (mode === modes.none && last?.result !== 'pass') return 'none';
  return last === undefined || last.result === 'inconclusive' ? 'inconclusive' : last.tier;
}

/** A receipt as a row in the page's list. */
export function summaryOf(receipt: Receipt) {
  const { jobId, offer, verdicts } = decodeReceipt(receipt);
  return {
    id: jobId,
    askedAt: Number(offer.issuedAt),
    provider: peerIdOf(offer.provider),
    model: modelIdHex(offer.modelId),
    tokens: receipt.tokens.length,
    /** Of texts; null: the job wrote an answer. */
    vectors: receipt.vectors?.counts.length ?? null,
    payment: paymentOf(receipt),
    verified: verifiedOf(verdicts, offer.mode),
  };
}

/** Null for a free job. Lamports as decimal text; `settlement` is null until the job is settled. */
export function paymentOf(receipt: Receipt) {
  const { pay, amountLamports } = decodeReceipt(receipt).offer.payment;
  if (pay === payFrom.nothing) return null;
  const { settlement } = receipt;
  return {
    by: pay === payFrom.channel ? ('channel' as const) : ('job' as const),
    locked: amountLamports.toString(),
    settlement: settlement === null ? null : settlementOf(settlement),
  };
}

/** The well-formed parts of a receipt's settlement, which is not signed. */
function settlementOf(settlement: Readonly<Record<string, unknown>>) {
  const text = (key: string): string => (typeof settlement[key] === 'string' ? settlement[key].slice(0, 100) : '');
  const lamports = (key: string): string => (/^\d{1,20}$/.test(text(key)) ? text(key) : '0');
  return {
    state: text('state'),
    paid: lamports('paid'),
    refunded: lamports('refunded'),
    burnt: lamports('burnt'),
    compensation: lamports('compensation'),
  };
}

/** How far the whole answer was verified, by the last verdicts on its parts (protocol section 4.6). */
export function verifiedOfWhole(receipt: Receipt, earlier: readonly ReceiptPart[]): VerificationOutcome {
  const { offer, verdicts } = decodeReceipt(receipt);
  const last = verdicts.at(-1);
  if (offer.start === 0 || last === undefined) return verifiedOf(verdicts, offer.mode);
  const parts = earlier.map(({ provider, tokens, receipt: part }) => {
    const verdict = decodeReceipt(part).verdicts.at(-1);
    return { provider, tokens, verification: verdict === undefined ? null : verificationOf(verdict) };
  });
  const unknown = { provider: peerIdOf(offer.client), tokens: offer.start, verification: null };
  const isMissing = earlier[0] === undefined || earlier[0].start > 0;
  const { verification } = verifyWhole([...(isMissing ? [unknown] : []), ...parts], {
    provider: peerIdOf(offer.provider),
    verification: verificationOf(last),
    faultBefore: null,
  });
  return verifiedOf([verification], offer.mode);
}

/**
 * The page's view of a receipt: its decoded parts, the checks that need no model (run again now), the verdicts, and
 * each opened step with its path to the signed root, for the page to hash itself.
 */
export function reportOf(receipt: Receipt, earlier: readonly ReceiptPart[]) {
  const contents = decodeReceipt(receipt);
  const { offer, head, opening, verdicts } = contents;
  const { mode, sampler } = offer;
  return {
    ...summaryOf(receipt),
    verified: verifiedOfWhole(receipt, earlier),
    client: peerIdOf(offer.client),
    start: offer.start,
    /** The jobs before it whose receipts are here. */
    earlier: earlier.map(({ id, provider, tokens }) => ({ id, provider, tokens })),
    mode: modeName(mode),
    sampler: {
      temperature: sampler.temperature,
      minP: sampler.minP,
      topP: sampler.topP,
      topK: sampler.topK,
      maxTokens: sampler.maxTokens,
    },
    promptTokens: head.promptCount - offer.start,
    finish: head.finish,
    root: toHex(head.root),
    exec: receipt.exec,
    messages: receipt.input?.messages ?? null,
    text: receipt.text,
    checks: assess(receipt, {}).checks,
    verdicts: verdicts.map((verdict) => ({
      verifier: peerIdOf(verdict.verifier),
      result: verdict.result,
      tier: verdict.tier,
      count: verdict.count,
      faults: verdict.faults,
      at: verdict.at,
    })),
    steps: stepsOf(opening?.steps ?? [], receipt, contents),
  };
}

/** The opened steps, each with the weights that the seed's draw fell on. */
function stepsOf(steps: readonly OpenedStep[], { input, tokens }: Receipt, { offer, head, settings }: ReceiptContents) {
  const draws = new AnswerDraws({ seed: offer.seed, weighing: offer.sampler, extra: settings });
  for (const token of input?.continuation ?? []) draws.add(token);
  const byPosition = new Map(steps.map((step) => [step.i, step]));
  const reports: ReturnType<typeof stepOf>[] = [];
  for (const [i, token] of tokens.entries()) {
    const step = byPosition.get(i);
    if (step !== undefined) {
      const weights = weightsOf(draws.adjust(step.candidates), offer.sampler);
      reports.push(stepOf(step, head.jobId, { weights, draw: draws.draw }));
    }
    draws.add(token);
  }
  return reports;
}

interface Drawing {
  /** One for each candidate. */
  readonly weights: readonly number[];
  /** 0 … 2^64 − 1. */
  readonly draw: bigint;
}

function stepOf(
  { i, token, prefix, salt, candidates, exact, zk, path }: OpenedStep,
  jobId: Uint8Array,
  { weights, draw }: Drawing,
) {
  const leaf = leafOf({ jobId, i, token, prefix, cand: candDigest(jobId, i, salt, candidates), exact, zk });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return {
    i,
    token,
    leaf: toHex(leaf),
    path: path.map(toHex),
    /** The parts of the leaf, for the page to hash itself. */
    prefix: toHex(prefix),
    salt: toHex(salt),
    exact: toHex(exact),
    zk: toHex(zk),
    /** The seed's draw as a position in 0 … 1. */
    draw: Number(draw) / 2 ** 64,
    candidates: candidates.map(([id, q], at) => ({ id, q, share: sum === 0 ? 0 : (weights[at] ?? 0) / sum })),
  };
}
