import { modes } from '../../protocol/codes.ts';
import type { Limits } from '../calibration.ts';
import { FaultError } from '../fault.ts';
import { squareDq, totalVariation } from '../statistics/divergence.ts';
import { type PooledMisses, pooledMissesOf } from '../statistics/pooled.ts';
import { type Distances, distancesOf, judgeDistances, judgeDraws, meanMissOf } from '../statistics/thresholds.ts';
import type { Finding } from './check-run.ts';
import { type ComparedStep, comparedSteps, type Replayed } from './replay.ts';
import { counted, type Subject } from './subject.ts';

/** What check 6 measured, in millionths. */
export interface Statistics {
  readonly meanTv: number | null;
  readonly maxTv: number | null;
  readonly rmsDq: number | null;
  readonly meanMiss: number | null;
}

export const noStatistics: Statistics = { meanTv: null, maxTv: null, rmsDq: null, meanMiss: null };

/** With how many steps each mean was made. */
export interface Measured extends Distances, Statistics {
  /** Opened steps that were not recomputed. */
  readonly missingOpened: number;
  /** Steps of the answer that were drawn again and count. */
  readonly drawn: number;
  /** Steps of the answer that were not recomputed. */
  readonly missing: number;
}

/** Distances at the opened steps and misses of the whole answer; steps at which one token was allowed are left out. */
export function measure(subject: Subject, replayed: Replayed): Measured {
  return measureSteps(comparedSteps(subject, replayed), replayed);
}

/** Misses of the answer's tokens before this job alone. */
export function measureContinuation({ offer }: Subject, replayed: Replayed): Measured {
  return measureSteps([], replayed.slice(0, offer.start));
}

/** Whether the draws of the job's own tokens fail by themselves. */
export function areOwnDrawsFar({ offer }: Subject, replayed: Replayed, limits: Limits): boolean {
  const { meanMiss, drawn } = measureSteps([], replayed.slice(offer.start));
  return judgeDraws(meanMiss, drawn, offer.sampler.temperature, limits) === 'fail';
}

/** What the job's own draws add to the evidence about its provider, whoever wrote the tokens before it (section 6). */
export function pooledMisses({ offer }: Subject, replayed: Replayed, limits: Limits): PooledMisses | null {
  return pooledMissesOf(missesOf(replayed.slice(offer.start)), offer.sampler.temperature, limits);
}

function missesOf(replayed: Replayed): readonly number[] {
  return replayed.flatMap((step) => (step?.counts ? [step.miss] : []));
}

function measureSteps(compared: readonly ComparedStep[], drawn: Replayed): Measured {
  const pairs = compared.flatMap(({ candidates, replayed: step }) =>
    candidates !== null && step?.counts ? [[candidates, step.candidates] as const] : [],
  );
  const misses = missesOf(drawn);
  return {
    ...distancesOf(
      pairs.map(([committed, recomputed]) => totalVariation(committed, recomputed)),
      pairs.map(([committed, recomputed]) => squareDq(committed, recomputed)),
    ),
    missingOpened: compared.filter(({ replayed: step }) => step === null).length,
    meanMiss: meanMissOf(misses),
    drawn: misses.length,
    missing: drawn.filter((step) => step === null).length,
  };
}

/**
 * Check 6b (section 4.4): the committed distributions are near the recomputed ones.
 * @throws FaultError `distribution-far`
 */
export function checkDistribution({ openedCount }: Subject, measured: Measured, limits: Limits): Finding {
  const { count, meanTv, rmsDq, missingOpened } = measured;
  const distances = `mean total variation ${inParts(meanTv)}, rms logit difference ${inParts(rmsDq)} nats`;
  const said = `${distances} over ${counted(count, 'opened step')}`;
  const result = judgeDistances(measured, limits);
  if (result === 'fail')
    throw new FaultError('distribution-far', `the committed distributions are not this model's: ${said}`);
  if (missingOpened > 0)
    return {
      result: 'inconclusive',
      detail: `${missingOpened} of ${counted(openedCount, 'opened step')} not recomputed`,
    };
  if (result === 'inconclusive') return { result, detail: `too few opened steps to tell: ${said}` };
  return { result, detail: `the committed distributions are near this model's: ${said}` };
}

/** Fewer steps than this say nothing of an answer of mode zk, which shows no candidates (section 4.8). */
const minZkSteps = 32;

/**
 * Check 6c (section 4.4): drawing again from the recomputed distributions gives the same tokens, or nearly.
 * @throws FaultError `draws-far`
 */
export function checkDraws({ offer }: Subject, measured: Measured, limits: Limits): Finding {
  const { meanMiss, drawn, missing } = measured;
  const said = `mean miss ${inParts(meanMiss)} over ${counted(drawn, 'step')}`;
  const result = judgeDraws(meanMiss, drawn, offer.sampler.temperature, limits);
  if (result === 'fail')
    throw new FaultError('draws-far', `the tokens were not drawn from this model's distributions: ${said}`);
  if (missing > 0) return { result: 'inconclusive', detail: `${counted(missing, 'step')} not drawn again, ${said}` };
  const isTooShort = offer.mode === modes.zk && drawn < minZkSteps;
  if (result === 'inconclusive' || isTooShort)
    return { result: 'inconclusive', detail: `too few steps to tell: ${said}` };
  return { result, detail: `drawing again gives these tokens, or misses by a hair: ${said}` };
}

/** Millionths as a decimal. */
function inParts(millionths: number | null): string {
  return millionths === null ? 'unknown' : (millionths / 1_000_000).toFixed(4);
}
