import { defaultLimits, type Limits } from '../../../proofs/calibration.ts';
import { fitMargin, fittedDraws, minGreedySteps, missLengths, openedFew, openedMany } from '../constants.ts';
import { meanMissUpTo, openedDistances, unlistedShare } from './judge.ts';
import { pooledLimit } from './pooled.ts';
import { isAcross, openedOf, type Sample } from './samples.ts';

/** Limits of one model, with what they rest on. */
export interface Fit {
  readonly limits: Limits;
  /** Share of tokens that are not listed, for the comparison with schemes that look at tokens alone. */
  readonly maxUnlisted: number;
  /** Mean miss over a thousand steps of one provider's answers, millionths. */
  readonly pooledMiss: number;
  readonly answers: number;
  readonly steps: number;
}

/**
 * Each limit is the worst that honest answers showed, over many challenges, times a margin. What no answer showed keeps
 * the value of section 6.
 */
export function fitLimits(samples: readonly Sample[]): Fit {
  const honest = samples.filter((sample) => sample.name === 'honest' && isAcross(sample));
  const distances = (count: number): readonly ReturnType<typeof openedDistances>[] =>
    honest.flatMap((sample) =>
      Array.from({ length: fittedDraws }, (_, draw) =>
        openedDistances(sample, openedOf(sample, sample.length, count, draw)),
      ),
    );
  const drawn = honest.filter(({ temperature }) => temperature > 0);
  const greedy = honest.filter(({ temperature }) => temperature === 0);
  const misses = (of: readonly Sample[], lengths: readonly number[]): readonly number[] =>
    of.flatMap((sample) =>
      lengths.flatMap((length) => (sample.length >= length ? (meanMissUpTo(sample, length) ?? []) : [])),
    );
  const many = distances(openedMany).filter(({ count }) => count >= openedMany);
  const few = distances(openedFew).filter(({ count }) => count >= openedFew);
  return {
    limits: {
      rmsDq: limitOf(
        many.map(({ rmsDq }) => rmsDq ?? 0),
        defaultLimits.rmsDq,
      ),
      rmsDqFew: limitOf(
        few.map(({ rmsDq }) => rmsDq ?? 0),
        defaultLimits.rmsDqFew,
      ),
      meanMiss32: limitOf(misses(drawn, missLengths), defaultLimits.meanMiss32),
      meanMiss128: limitOf(misses(drawn, [128]), defaultLimits.meanMiss128),
      meanMissGreedy: limitOf(misses(greedy, [minGreedySteps, ...missLengths]), defaultLimits.meanMissGreedy),
      meanTv: limitOf(
        many.map(({ meanTv }) => meanTv ?? 0),
        defaultLimits.meanTv,
      ),
    },
    maxUnlisted: fitMargin * worst(honest.map(({ record, length }) => unlistedShare(record.listed, length))),
    pooledMiss: pooledLimit(honest),
    answers: new Set(honest.map(({ number }) => number)).size,
    steps: honest.reduce((sum, { length }) => sum + length, 0),
  };
}

function limitOf(values: readonly number[], ifNone: number): number {
  return values.length === 0 ? ifNone : Math.ceil(fitMargin * worst(values));
}

function worst(values: readonly number[]): number {
  return values.reduce((max, value) => Math.max(max, value), 0);
}
