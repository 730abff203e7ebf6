import { readU64 } from '../../../lib/bytes.ts';
import type { TopLogits } from '../../../proofs/logits.ts';
import { selectCandidates } from '../../../proofs/sampling/sampler.ts';
import { sparseShare } from '../constants.ts';
import type { Answer, Rule } from './answer.ts';
import { type AuditJob, drawsOf, randomOf } from './job.ts';
import { nudged } from './nudge.ts';

/** Logits of the model that is paid for and of a cheaper one, over the same tokens. */
export interface BothTops {
  readonly truth: TopLogits;
  readonly cheap: TopLogits;
}

/**
 * The prefill attack: the cheaper model's tokens, then the true model's candidates for them from one run over the
 * finished answer.
 * @param truths what each token would have been drawn from
 */
export function prefilled({ tokens }: Answer, truths: readonly TopLogits[], { topK }: AuditJob): Answer {
  return { tokens, committed: truths.map((top) => selectCandidates(top, topK)) };
}

/** The nudging attack over a cheaper model's finished answer, whatever it takes. */
export function nudgedTo({ tokens }: Answer, truths: readonly TopLogits[], job: AuditJob): Answer {
  const draws = drawsOf(job);
  const committed = truths.map((top, i) => {
    const wanted = tokens[i] ?? 0;
    const step = nudged(job, top, draws, wanted);
    draws.add(wanted);
    return step.committed;
  });
  return { tokens, committed };
}

/**
 * Nudging within a budget: where the cheaper model's token would take more than `budget` (total variation, 0 … 1), the
 * true one is sent instead.
 */
export function nudgingRule(job: AuditJob, budget: number): Rule<BothTops> {
  return ({ truth, cheap }, draws) => {
    const honest = selectCandidates(truth, job.topK);
    const wanted = draws.pick(selectCandidates(cheap, job.topK).candidates);
    const step = nudged(job, truth, draws, wanted);
    return step.picks && step.moved <= budget
      ? { token: wanted, committed: step.committed }
      : { token: draws.pick(honest.candidates), committed: honest };
  };
}

/** The cheaper model at a tenth of the steps, spread by chance, with its own candidates or nudged true ones. */
export function sparseRule(job: AuditJob, isNudged: boolean): Rule<BothTops> {
  return ({ truth, cheap }, draws, i) => {
    const honest = selectCandidates(truth, job.topK);
    if (!isCheapStep(job, i)) return { token: draws.pick(honest.candidates), committed: honest };
    const theirs = selectCandidates(cheap, job.topK);
    const token = draws.pick(theirs.candidates);
    return { token, committed: isNudged ? nudged(job, truth, draws, token).committed : theirs };
  };
}

function isCheapStep({ number }: AuditJob, i: number): boolean {
  return Number(readU64(randomOf(`sparse ${i}`, number)) % 1000n) < sparseShare * 1000;
}
