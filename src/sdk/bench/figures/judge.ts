import type { Limits } from '../../../proofs/calibration.ts';
import { distancesOf, judgeDistances, judgeDraws, meanMissOf } from '../../../proofs/statistics/thresholds.ts';
import type { FaultCode, Result } from '../../../protocol/messages.ts';
import { openedOf, type Sample } from './samples.ts';

/** What a verifier says of an answer's first tokens. */
export interface Judgement {
  readonly result: Result;
  readonly fault: FaultCode | null;
}

/** How an answer is checked: as if it had ended after `length` tokens, with `count` steps opened. */
export interface Check {
  readonly length: number;
  readonly count: number;
  /** Which of many challenges. @default 0 */
  readonly draw?: number | undefined;
}

const passed: Judgement = { result: 'pass', fault: null };
const doubtful: Judgement = { result: 'inconclusive', fault: null };
const failed = (fault: FaultCode): Judgement => ({ result: 'fail', fault });

/** Checks 3, 6b and 6c of section 4.4: a verifier of another class. */
export function judgeStatistically(sample: Sample, { length, count, draw }: Check, limits: Limits): Judgement {
  const { record, temperature } = sample;
  const opened = openedOf(sample, length, count, draw);
  if (opened.some((i) => record.drawn[i] === '0')) return failed('sampler-mismatch');
  const distances = judgeDistances(openedDistances(sample, opened), limits);
  if (distances === 'fail') return failed('distribution-far');
  const misses = record.miss.slice(0, length).map((miss) => miss / 1e6);
  const draws = judgeDraws(meanMissOf(misses), length, temperature, limits);
  if (draws === 'fail') return failed('draws-far');
  return distances === 'pass' && draws === 'pass' ? passed : doubtful;
}

/** Checks 3 and 6a: a verifier of the provider's class. */
export function judgeExactly(sample: Sample, { length, count, draw }: Check): Judgement {
  const { record } = sample;
  const opened = openedOf(sample, length, count, draw);
  if (opened.some((i) => record.drawn[i] === '0')) return failed('sampler-mismatch');
  const isOther = opened.some((i) => record.same[i] === '0') || record.redrawn.slice(0, length).includes('0');
  return isOther ? failed('exact-mismatch') : passed;
}

/** Check 6b alone: committed top-k log-probabilities against recomputed ones, as some schemes do. */
export function judgeLogits(sample: Sample, { length, count, draw }: Check, limits: Limits): Judgement {
  const result = judgeDistances(openedDistances(sample, openedOf(sample, length, count, draw)), limits);
  return result === 'fail' ? failed('distribution-far') : { result, fault: null };
}

/**
 * Tokens alone: the share of tokens that are not among the recomputed candidates is above `maxShare`. Without the
 * client's seed nothing more can be said of a sampled token.
 */
export function judgeTokens({ record }: Sample, { length }: Check, maxShare: number): Judgement {
  return unlistedShare(record.listed, length) > maxShare ? failed('draws-far') : passed;
}

export function unlistedShare(listed: string, length: number): number {
  return [...listed.slice(0, length)].filter((flag) => flag === '0').length / length;
}

function openedDistances({ record }: Sample, opened: readonly number[]): ReturnType<typeof distancesOf> {
  return distancesOf(
    opened.map((i) => (record.tv[i] ?? 0) / 1e6),
    opened.map((i) => (record.square[i] ?? 0) / 1e6),
  );
}

/** The mean of the first `length` misses, millionths; null of none. */
export function meanMissUpTo({ record }: Sample, length: number): number | null {
  return meanMissOf(record.miss.slice(0, length).map((miss) => miss / 1e6));
}

export { openedDistances };
