import { equalBytes } from '../../lib/bytes.ts';
import type { OpenedStep, Opening, Sampler } from '../../protocol/messages.ts';
import type { Limits } from '../calibration.ts';
import { missOf, squareDq, totalVariation, withNearMiss } from '../divergence.ts';
import { FaultError } from '../fault.ts';
import type { TopLogits } from '../logits.ts';
import { pickToken, type Selection, selectCandidates } from '../sampler.ts';
import { exactDigest } from '../step.ts';
import { type Distances, distancesOf, judgeDistances, judgeDraws, meanMissOf } from '../thresholds.ts';
import type { Finding } from './check-run.ts';
import { counted, type Subject } from './subject.ts';

/** Steps computed again: one per token of the answer, null where there is none. */
export type Recomputed = readonly (Selection | null)[];

/** The candidates of each of the answer's `n` steps; logits that are too few or hold a NaN count as none. */
export function recompute(steps: readonly (TopLogits | null)[], n: number, { topK, vocab }: Sampler): Recomputed {
  return Array.from({ length: n }, (_, i) => {
    const top = steps[i] ?? null;
    if (top === null || top.ids.length < Math.min(topK, vocab) || top.logits.some(Number.isNaN)) return null;
    return selectCandidates(top, topK, vocab);
  });
}

/** Opened steps that were computed again. */
export function comparedSteps(
  { opening }: Subject,
  recomputed: Recomputed,
): readonly { readonly step: OpenedStep; readonly selection: Selection }[] {
  return (opening?.steps ?? []).flatMap((step) => {
    const selection = recomputed[step.i] ?? null;
    return selection === null ? [] : [{ step, selection }];
  });
}

/**
 * Check 6a (section 4.4): the same logits, bit for bit, at every opened step, and the same token at every step.
 * @throws FaultError `exact-mismatch`
 */
export function checkExact(subject: Subject, recomputed: Recomputed): Finding {
  const { receipt, offer, draw } = subject;
  for (const { step, selection } of comparedSteps(subject, recomputed)) {
    if (!equalBytes(step.exact, exactDigest(selection.candidates, selection.logits))) {
      throw new FaultError(
        'exact-mismatch',
        `the logits at step ${step.i} are not those of this model and execution class`,
      );
    }
  }
  for (const [i, selection] of recomputed.entries()) {
    if (selection !== null && pickToken(selection.candidates, offer.sampler, draw(i)) !== receipt.tokens[i]) {
      throw new FaultError('exact-mismatch', `drawing again gives another token at step ${i}`);
    }
  }
  const n = recomputed.length;
  const missing = recomputed.filter((selection) => selection === null).length;
  if (missing > 0) return { result: 'inconclusive', detail: `${missing} of ${counted(n, 'step')} not recomputed` };
  const opened =
    subject.opening === null
      ? ''
      : `, the logits of ${counted(subject.opening.steps.length, 'opened step')} equal bit for bit`;
  return { result: 'pass', detail: `all ${counted(n, 'token')} computed and drawn again${opened}` };
}

/** What checks 6b and 6c measured. */
export interface Statistics extends Distances {
  readonly meanMiss: number | null;
  /** Steps drawn again. */
  readonly drawn: number;
}

/**
 * @param steps what was recomputed; logits beyond the candidates tell a token that fell out of them by a hair from one
 * that never was near
 */
export function measure(subject: Subject, recomputed: Recomputed, steps: readonly (TopLogits | null)[]): Statistics {
  const { receipt, offer, draw } = subject;
  const { sampler } = offer;
  const compared = comparedSteps(subject, recomputed);
  const tvs = compared.map(({ step, selection }) => totalVariation(step.candidates, selection.candidates));
  const squares = compared.map(({ step, selection }) => squareDq(step.candidates, selection.candidates, sampler));
  const misses = recomputed.flatMap((selection, i) => {
    const [top, token] = [steps[i] ?? null, receipt.tokens[i] ?? -1];
    return selection === null || top === null
      ? []
      : [missOf(withNearMiss(selection.candidates, token, top), token, sampler, draw(i))];
  });
  return { ...distancesOf(tvs, squares), meanMiss: meanMissOf(misses), drawn: misses.length };
}

/**
 * Check 6b (section 4.4): the committed distributions are near the recomputed ones.
 * @throws FaultError `distribution-far`
 */
export function checkDistribution(opening: Opening, statistics: Statistics, limits: Limits): Finding {
  const { count, meanTv, rmsDq } = statistics;
  const measured = `mean total variation ${inParts(meanTv)}, rms logit difference ${inParts(rmsDq)} nats over ${counted(count, 'opened step')}`;
  const result = judgeDistances(statistics, limits);
  if (result === 'fail')
    throw new FaultError('distribution-far', `the committed distributions are not this model's: ${measured}`);
  if (count < opening.steps.length)
    return {
      result: 'inconclusive',
      detail: `only ${count} of ${counted(opening.steps.length, 'opened step')} recomputed`,
    };
  if (result === 'inconclusive') return { result, detail: `too few opened steps to tell: ${measured}` };
  return { result, detail: `the committed distributions are near this model's: ${measured}` };
}

/**
 * Check 6c (section 4.4): drawing again from the recomputed distributions gives the same tokens, or nearly.
 * @throws FaultError `draws-far`
 */
export function checkDraws({ receipt, offer }: Subject, { meanMiss, drawn }: Statistics, limits: Limits): Finding {
  const n = receipt.tokens.length;
  const measured = `mean miss ${inParts(meanMiss)} over ${counted(drawn, 'step')}`;
  const result = judgeDraws(meanMiss, drawn, offer.sampler.temperature, limits);
  if (result === 'fail')
    throw new FaultError('draws-far', `the tokens were not drawn from this model's distributions: ${measured}`);
  if (drawn < n) return { result: 'inconclusive', detail: `only ${drawn} of ${counted(n, 'step')} drawn again` };
  if (result === 'inconclusive') return { result, detail: `too few steps to tell: ${measured}` };
  return { result, detail: `drawing again gives these tokens, or misses by a hair: ${measured}` };
}

/** Millionths as a decimal. */
function inParts(millionths: number | null): string {
  return millionths === null ? 'unknown' : (millionths / 1_000_000).toFixed(4);
}
