import type { TopLogits } from '../../../proofs/logits.ts';
import type { Selection } from '../../../proofs/sampling/sampler.ts';
import { missOf, recomputedStep, squareDq, totalVariation } from '../../../proofs/statistics/divergence.ts';
import type { Answer } from './answer.ts';
import { type AuditJob, drawsOf } from './job.ts';

/** What a verifier finds at each step of an answer; every list has one entry for each token. */
export interface StepMeasures {
  /** Total variation between committed and recomputed candidates, millionths. */
  readonly tv: readonly number[];
  /** Mean square of the centred differences, millionths of nats squared. */
  readonly square: readonly number[];
  /** How far the draw lies outside the token's share of the recomputed candidates, millionths. */
  readonly miss: readonly number[];
  /** `1` where the committed candidates and the client's draw give the token. */
  readonly drawn: string;
  /** `1` where the recomputed candidates and the draw give the token. */
  readonly redrawn: string;
  /** `1` where the committed logits are the recomputed ones, bit for bit. */
  readonly same: string;
  /** `1` where the token is among the recomputed candidates. */
  readonly listed: string;
}

/** @param recomputed what each token should have been drawn from, with at least `topK` logits */
export function measureAnswer(
  job: AuditJob,
  { tokens, committed }: Answer,
  recomputed: readonly TopLogits[],
): StepMeasures {
  const draws = drawsOf(job);
  const steps = tokens.map((token, i) => {
    const theirs = committed[i];
    const top = recomputed[i];
    if (theirs === undefined || top === undefined) throw new RangeError(`step ${i} was not recomputed`);
    const ours = recomputedStep(top, job.topK);
    const { draw } = draws;
    const measured = {
      tv: millionths(totalVariation(theirs.candidates, ours.candidates)),
      square: millionths(squareDq(theirs.candidates, ours.candidates)),
      miss: millionths(
        missOf(ours, token, { weighing: job.weighing, draw, adjust: (candidates) => draws.adjust(candidates) }),
      ),
      drawn: draws.pick(theirs.candidates) === token,
      redrawn: draws.pick(ours.candidates) === token,
      same: hasSameLogits(theirs, ours),
      listed: ours.candidates.some(([id]) => id === token),
    };
    draws.add(token);
    return measured;
  });
  const flags = (of: (step: (typeof steps)[number]) => boolean): string =>
    steps.map((step) => (of(step) ? '1' : '0')).join('');
  return {
    tv: steps.map(({ tv }) => tv),
    square: steps.map(({ square }) => square),
    miss: steps.map(({ miss }) => miss),
    drawn: flags(({ drawn }) => drawn),
    redrawn: flags(({ redrawn }) => redrawn),
    same: flags(({ same }) => same),
    listed: flags(({ listed }) => listed),
  };
}

function hasSameLogits(a: Selection, b: Selection): boolean {
  const bits = ({ logits }: Selection): Uint32Array => new Uint32Array(logits.buffer, logits.byteOffset, logits.length);
  const theirs = bits(b);
  return (
    a.candidates.length === b.candidates.length &&
    a.candidates.every(([id], at) => id === b.candidates[at]?.[0]) &&
    bits(a).every((value, at) => value === theirs[at])
  );
}

function millionths(value: number): number {
  return Math.round(value * 1_000_000);
}
