import { followingTokens } from '../../protocol/constants.ts';
import type { Candidate } from '../../protocol/messages.ts';
import type { TopLogits } from '../logits.ts';
import {
  placesByLogit,
  quantise,
  type Selection,
  selectCandidates,
  type Weighing,
  weightsOf,
} from '../sampling/sampler.ts';

/** How far a recomputed step lies from a committed one (section 4.4, checks 6b and 6c). */

/** `q` per nat. */
const qPerNat = 1024;

/**
 * Half a nat. Between two classes that give other bits, no honest token was seen to fall out of the candidates by more
 * than 0.22 nats.
 */
const maxNearMissQ = qPerNat / 2;

/** The square of a step with too few common ids: 2 nats. */
const farSquare = 4;

/** One step as a verifier computed it. */
export interface RecomputedStep extends Selection {
  /** The tokens that follow the candidates, the largest first; the first 20 are looked at. */
  readonly following: readonly Candidate[];
}

/**
 * A recomputed step from its largest logits.
 * @param count candidates
 * @throws RangeError for a NaN, or for fewer logits than that
 */
export function recomputedStep(top: TopLogits, count: number): RecomputedStep {
  const following = placesByLogit(top)
    .slice(count)
    .map((at): Candidate => [top.ids[at] ?? 0, quantise(top.logits[at] ?? 0)]);
  return { ...selectCandidates(top, count), following };
}

/**
 * Total variation, 0 … 1: each side's candidates through a softmax at temperature 1, half the sum of the differences.
 */
export function totalVariation(committed: readonly Candidate[], recomputed: readonly Candidate[]): number {
  const [a, b] = [softmax(committed), softmax(recomputed)];
  let sum = 0;
  for (const [id, p] of a) sum += Math.abs(p - (b.get(id) ?? 0));
  for (const [id, p] of b) if (!a.has(id)) sum += p;
  return sum / 2;
}

function softmax(candidates: readonly Candidate[]): ReadonlyMap<number, number> {
  const best = bestOf(candidates);
  const powers = candidates.map(([id, q]) => [id, Math.exp((q - best) / qPerNat)] as const);
  const sum = powers.reduce((total, [, power]) => total + power, 0);
  return new Map(powers.map(([id, power]) => [id, power / sum]));
}

/**
 * The mean square of the logits' differences, in nats squared, over the ids on both sides, the differences' mean taken
 * off. 4 if fewer ids are common than 0.6 of the recomputed candidates, rounded up.
 */
export function squareDq(committed: readonly Candidate[], recomputed: readonly Candidate[]): number {
  const other = new Map(recomputed);
  const differences = committed.flatMap(([id, q]) => {
    const theirs = other.get(id);
    return theirs === undefined ? [] : [(q - theirs) / qPerNat];
  });
  if (differences.length < Math.ceil((3 * recomputed.length) / 5)) return farSquare;
  const average = mean(differences);
  return mean(differences.map((difference) => (difference - average) ** 2));
}

export interface Draw {
  readonly weighing: Weighing;
  /** 0 … 2^64 − 1 */
  readonly draw: bigint;
  /** Candidates with their `q'` (section 4.1). */
  readonly adjust: (candidates: readonly Candidate[]) => readonly Candidate[];
}

/**
 * How far outside its token's share the draw lies, 0 … 1, as a fraction of the whole; at temperature 0 how far the
 * token lies below the best, in nats, at most 1. A token that is neither a candidate nor close behind them has 1.
 */
export function missOf(
  recomputed: Pick<RecomputedStep, 'candidates' | 'following'>,
  token: number,
  { weighing, draw, adjust }: Draw,
): number {
  const candidates = adjust(withNearMiss(recomputed, token));
  const at = candidates.findIndex(([id]) => id === token);
  const chosen = candidates[at];
  if (chosen === undefined) return 1;
  if (weighing.temperature === 0) return Math.min(1, (bestOf(candidates) - chosen[1]) / qPerNat);
  const weights = weightsOf(candidates, weighing);
  const before = BigInt(sumOf(weights.slice(0, at)));
  const upTo = before + BigInt(weights[at] ?? 0);
  const whole = BigInt(sumOf(weights));
  const drawn = draw * whole;
  const below = (before << 64n) - drawn;
  const above = drawn - (upTo << 64n);
  const miss = below > above ? below : above;
  return miss <= 0n ? 0 : Number(miss) / Number(whole << 64n);
}

/**
 * The candidates with `token` in the place of the last of them, if it is among the tokens that follow and within half a
 * nat of that one: which of several near equals are the best `topK` another machine's rounding decides.
 */
function withNearMiss(
  { candidates, following }: Pick<RecomputedStep, 'candidates' | 'following'>,
  token: number,
): readonly Candidate[] {
  const [first] = candidates;
  if (first === undefined || candidates.some(([id]) => id === token)) return candidates;
  const near = following.slice(0, followingTokens).find(([id]) => id === token);
  // Of several that are least the one with the highest id.
  const last = candidates.reduce((least, candidate) => (candidate[1] <= least[1] ? candidate : least), first);
  if (near === undefined || last[1] - near[1] > maxNearMissQ) return candidates;
  return [...candidates.filter((candidate) => candidate !== last), near].sort(([a], [b]) => a - b);
}

function bestOf(candidates: readonly Candidate[]): number {
  return candidates.reduce((max, [, q]) => Math.max(max, q), -Infinity);
}

/** NaN of none. */
export function mean(values: readonly number[]): number {
  return sumOf(values) / values.length;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
