import { toHex } from '../../lib/bytes.ts';
import { assess } from '../../proofs/checks.ts';
import { decodeReceipt, type Receipt, type ReceiptContents } from '../../proofs/receipt.ts';
import { drawAt, weightsOf } from '../../proofs/sampler.ts';
import { peerIdOf } from '../../proofs/signing.ts';
import { candDigest, leafOf } from '../../proofs/step.ts';
import { modelIdHex } from '../../protocol/digests.ts';
import type { OpenedStep, Verdict } from '../../protocol/messages.ts';
import type { VerificationOutcome } from '../answer/inference-client.ts';

/** The outcome according to the last verdict in a receipt. */
function verifiedOf(verdicts: readonly Pick<Verdict, 'result' | 'tier'>[], mode: string): VerificationOutcome {
  const last = verdicts.at(-1);
  if (last?.result === 'fail') return 'failed';
  if (mode === 'none') return 'none';
  return last === undefined || last.result === 'inconclusive' ? 'inconclusive' : last.tier;
}

/** A receipt as a row in the page's list. */
export function summaryOf(receipt: Receipt) {
  const { jobId, offer, verdicts } = decodeReceipt(receipt);
  const { settlement } = receipt;
  return {
    id: jobId,
    askedAt: offer.issuedAt,
    provider: peerIdOf(offer.provider),
    model: modelIdHex(offer.modelId),
    tokens: receipt.tokens.length,
    /** Null for a free answer. Lamports as decimal text; `settlement` is null until the job is settled. */
    payment:
      offer.payment === null
        ? null
        : { locked: String(offer.payment.amount), settlement: settlement === null ? null : settlementOf(settlement) },
    verified: verifiedOf(verdicts, offer.mode),
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

/**
 * The page's view of a receipt: its decoded parts, the checks that need no model (run again now), the verdicts, and
 * each opened step with its path to the signed root, for the page to hash itself.
 */
export function reportOf(receipt: Receipt) {
  const contents = decodeReceipt(receipt);
  const { offer, final, opening, verdicts } = contents;
  const { mode, sampler } = offer;
  return {
    ...summaryOf(receipt),
    client: peerIdOf(offer.client),
    mode,
    sampler: { temperature: sampler.temperature, minP: sampler.minP, topK: sampler.topK, maxTokens: sampler.maxTokens },
    promptTokens: final.promptCount,
    finish: final.finish,
    root: toHex(final.root),
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
    steps: (opening?.steps ?? []).map((step) => stepOf(step, contents)),
  };
}

function stepOf(
  { i, token, prefix, salt, candidates, exact, zk, path }: OpenedStep,
  { offer, final }: ReceiptContents,
) {
  const leaf = leafOf({
    jobId: final.jobId,
    i,
    token,
    prefix,
    cand: candDigest(final.jobId, i, salt, candidates),
    exact,
    zk,
  });
  const weights = weightsOf(candidates, offer.sampler.temperature, offer.sampler.minP);
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
    draw: Number(drawAt(offer.seed, i)) / 2 ** 64,
    candidates: candidates.map(([id, q], at) => ({ id, q, share: sum === 0 ? 0 : (weights[at] ?? 0) / sum })),
  };
}
