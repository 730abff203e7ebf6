import { defaultLimits, type Limits } from '../../../proofs/calibration.ts';
import {
  fittedDraws,
  minGreedySteps,
  missLengths,
  openedFew,
  openedMany,
  rareMargin,
  worstMargin,
} from '../constants.ts';
import { meanMissUpTo, openedDistances, unlistedShare } from './judge.ts';
import { rareMean } from './resample.ts';
import { isAcross, openedOf, type Sample } from './samples.ts';

/** Limits of one model, with what they rest on. */
export interface Fit {
  readonly limits: Limits;
  /** Share of tokens that are not listed, for the comparison with schemes that look at tokens alone. */
  readonly maxUnlisted: number;
  readonly answers: number;
  readonly steps: number;
}

/** No limit goes below this share of the table's: a few hundred answers do not show what happens once in thousands. */
const minShareOfTable = 0.1;

/**
 * Each limit is above the worst that honest answers showed, over many challenges, and above what steps drawn at random
 * from all of them would reach once in ten thousand times. What no answer showed keeps the value of section 6.
 */
export function fitLimits(samples: readonly Sample[]): Fit {
  const honest = samples.filter((sample) => sample.name === 'honest' && isAcross(sample));
  const drawn = honest.filter(({ temperature }) => temperature > 0);
  const greedy = honest.filter(({ temperature }) => temperature === 0);
  const squares = honest.flatMap(({ record }) => record.square);
  const distances = (count: number): readonly ReturnType<typeof openedDistances>[] =>
    honest
      .flatMap((sample) =>
        Array.from({ length: fittedDraws }, (_, draw) =>
          openedDistances(sample, openedOf(sample, sample.length, count, draw)),
        ),
      )
      .filter((found) => found.count >= count);
  const [many, few] = [distances(openedMany), distances(openedFew)];
  const rms = (steps: number): number => 1_000 * Math.sqrt(rareMean(squares, steps));
  const missLimit = (of: readonly Sample[], lengths: readonly number[], table: number): number => {
    const seen = of.flatMap((sample) =>
      lengths.flatMap((length) => (sample.length >= length ? (meanMissUpTo(sample, length) ?? []) : [])),
    );
    const steps = of.flatMap(({ record }) => record.miss);
    return limitOf(seen, rareMean(steps, lengths[0] ?? 1), table);
  };
  const { rmsDq, rmsDqFew, meanMiss32, meanMiss128, meanMissGreedy, meanTv } = defaultLimits;
  return {
    limits: {
      rmsDq: limitOf(
        many.map((found) => found.rmsDq ?? 0),
        rms(openedMany),
        rmsDq,
      ),
      rmsDqFew: limitOf(
        few.map((found) => found.rmsDq ?? 0),
        rms(openedFew),
        rmsDqFew,
      ),
      meanMiss32: missLimit(drawn, missLengths, meanMiss32),
      meanMiss128: missLimit(drawn, [128], meanMiss128),
      meanMissGreedy: missLimit(greedy, [minGreedySteps, ...missLengths], meanMissGreedy),
      meanTv: limitOf(
        many.map((found) => found.meanTv ?? 0),
        rareMean(
          honest.flatMap(({ record }) => record.tv),
          openedMany,
        ),
        meanTv,
      ),
    },
    maxUnlisted: worstMargin * worst(honest.map(({ record, length }) => unlistedShare(record.listed, length))),
    answers: new Set(honest.map(({ number }) => number)).size,
    steps: honest.reduce((sum, { length }) => sum + length, 0),
  };
}

/**
 * @param seen what whole answers showed, millionths
 * @param rare what steps at random would reach rarely, millionths
 */
function limitOf(seen: readonly number[], rare: number, table: number): number {
  if (seen.length === 0) return table;
  return Math.ceil(Math.max(worstMargin * worst(seen), rareMargin * rare, minShareOfTable * table));
}

function worst(values: readonly number[]): number {
  return values.reduce((max, value) => Math.max(max, value), 0);
}
