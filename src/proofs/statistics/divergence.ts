import type { Candidate, Sampler } from '../../protocol/messages.ts';
import type { TopLogits } from './logits.ts';
import { quantise, weightsOf } from './sampler.ts';

/** How far a recomputed step lies from a committed one (section 4.4, checks 6b and 6c). */

/** `q` per nat. */
const perNat = 1024;

/**
 * Half a nat. Between two classes that give other bits, no honest token was seen to fall out of the candidates by more
 * than 0.22 nats.
 */
const nearMiss = perNat / 2;

/** The square that a step with too few common ids counts as: 2 nats. */
const farSquare = 4;

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
  const best = candidates.reduce((max, [, q]) => Math.max(max, q), -Infinity);
  const powers = candidates.map(([id, q]) => [id, Math.exp((q - best) / perNat)] as const);
  const sum = powers.reduce((total, [, power]) => total + power, 0);
  return new Map(powers.map(([id, power]) => [id, power / sum]));
}

/**
 * The mean square of the logits' differences, in nats squared, over the ids on both sides, the differences' mean taken
 * off. 4 where fewer than `ceil(0.6 × min(topK, vocab))` ids are common.
 */
export function squareDq(
  committed: readonly Candidate[],
  recomputed: readonly Candidate[],
  { topK, vocab }: Pick<Sampler, 'topK' | 'vocab'>,
): number {
  const other = new Map(recomputed);
  const differences = committed.flatMap(([id, q]) => {
    const theirs = other.get(id);
    return theirs === undefined ? [] : [(q - theirs) / perNat];
  });
  if (differences.length < Math.ceil((3 * Math.min(topK, vocab)) / 5)) return farSquare;
  const average = mean(differences);
  return mean(differences.map((difference) => (difference - average) ** 2));
}

/**
 * How far outside its token's share the draw lies, 0 … 1, as a fraction of the whole; at temperature 0 how far the
 * token
 * lies below the best, in nats, at most 1. A token that is no candidate has 1.
 */
export function missOf(
  recomputed: readonly Candidate[],
  token: number,
  { temperature, minP }: Pick<Sampler, 'temperature' | 'minP'>,
  draw: bigint,
): number {
  const at = recomputed.findIndex(([id]) => id === token);
  const chosen = recomputed[at];
  if (chosen === undefined) return 1;
  if (temperature === 0) {
    const best = recomputed.reduce((max, [, q]) => Math.max(max, q), -Infinity);
    return Math.min(1, (best - chosen[1]) / perNat);
  }
  const weights = weightsOf(recomputed, temperature, minP);
  const before = BigInt(sum(weights.slice(0, at)));
  const upTo = before + BigInt(weights[at] ?? 0);
  const whole = BigInt(sum(weights));
  const drawn = draw * whole;
  const below = (before << 64n) - drawn;
  const above = drawn - (upTo << 64n);
  const miss = below > above ? below : above;
  return miss <= 0n ? 0 : Number(miss) / Number(whole << 64n);
}

/**
 * The candidates with `token` in the place of the last of them, where it came within half a nat of that one's logit:
 * which
 * of several near equals are the best `topK` another machine's rounding decides. Else the candidates as they are.
 * @param top what they were selected from, and some more
 */
export function withNearMiss(candidates: readonly Candidate[], token: number, top: TopLogits): readonly Candidate[] {
  if (candidates.some(([id]) => id === token)) return candidates;
  const at = top.ids.indexOf(token);
  const [first] = candidates;
  if (at < 0 || first === undefined) return candidates;
  const last = candidates.reduce((least, candidate) => (candidate[1] < least[1] ? candidate : least), first);
  const q = quantise(top.logits[at] ?? Number.NaN);
  if (!(last[1] - q <= nearMiss)) return candidates;
  return [...candidates.filter((candidate) => candidate !== last), [token, q] as const].sort(([a], [b]) => a - b);
}

export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
