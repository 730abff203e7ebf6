import { concat, readU64, u32 } from '../../lib/bytes.ts';
import { keyedHmac, tag } from '../../protocol/digests.ts';
import type { Candidate, ExtraSettings, SamplerSettings } from '../../protocol/messages.ts';
import type { TopLogits } from '../logits.ts';

/** The integer sampler of section 4.1, steps 1 to 4: the same token on every machine. */

/** `C_b = floor(2^32 × 2^(−2^(−b)))` for b = 1 … 16. */
const powers = [
  0xb504f333, 0xd744fcca, 0xeac0c6e7, 0xf5257d15, 0xfa83b2db, 0xfd3e0c0c, 0xfe9e115c, 0xff4ecb59, 0xffa75652,
  0xffd3a751, 0xffe9d2b2, 0xfff4e91b, 0xfffa747e, 0xfffd3a3b, 0xfffe9d1c, 0xffff4e8e,
];

/** round(log2(e) × 2^24) × 100: turns hundredths of a temperature and 1024ths of a nat into 2^-16ths of an octave. */
const log2eScaled = 24_204_406 * 100;

/**
 * From here on every weight is 0, whatever the temperature: the exponent passes 32 at 2^16 already with T = 200. Below
 * it all products stay under 2^53.
 */
const zeroWeightDistance = 2 ** 21;

const minI32 = -(2 ** 31);
const maxI32 = 2 ** 31 - 1;

/** What turns candidates into weights; hundredths. */
export type Weighing = Pick<SamplerSettings, 'temperature' | 'minP' | 'topP'>;

export interface Selection {
  /** Ascending by id. */
  readonly candidates: readonly Candidate[];
  /** The candidates' float32 logits before rounding, in the same order. */
  readonly logits: Float32Array;
}

/**
 * Step 1: the `count` largest logits, ties to the lower id, rounded to 1024ths and sorted by id.
 * @param top with a grammar, of allowed tokens alone
 * @param count `min(topK, vocab)`, with a grammar at most the number of allowed tokens
 * @throws RangeError for a NaN, or for fewer logits than that
 */
export function selectCandidates(top: TopLogits, count: number): Selection {
  if (top.ids.length < count) throw new RangeError(`"top" expected at least ${count} logits, got ${top.ids.length}`);
  const places = placesByLogit(top).slice(0, count);
  places.sort((a, b) => (top.ids[a] ?? 0) - (top.ids[b] ?? 0));
  const logits = Float32Array.from(places, (at) => top.logits[at] ?? Number.NaN);
  const candidates = places.map((at, index): Candidate => [top.ids[at] ?? 0, quantise(logits[index] ?? 0)]);
  return { candidates, logits };
}

/**
 * The places of `top` by falling logit, ties to the lower id.
 * @throws RangeError for a NaN
 */
export function placesByLogit({ ids, logits }: TopLogits): number[] {
  if (logits.some(Number.isNaN)) throw new RangeError('"top" expected numbers, got a NaN');
  const idAt = (at: number): number => ids[at] ?? 0;
  const logitAt = (at: number): number => logits[at] ?? Number.NaN;
  // A difference would be NaN for two infinities.
  return [...ids.keys()].sort((a, b) =>
    logitAt(a) === logitAt(b) ? idAt(a) - idAt(b) : logitAt(a) < logitAt(b) ? 1 : -1,
  );
}

/** `round_half_even(logit × 1024)`, clamped to i32. */
export function quantise(logit: number): number {
  const scaled = logit * 1024;
  if (scaled >= maxI32) return maxI32;
  if (scaled <= minI32) return minI32;
  const below = Math.floor(scaled);
  const rest = scaled - below;
  const up = rest > 0.5 || (rest === 0.5 && below % 2 !== 0);
  // `+ 0` turns −0 into 0.
  return below + (up ? 1 : 0) + 0;
}

/**
 * Step 2: `q'` of candidates by the settings of `extra`: a function of the candidates and of how often a token occurs
 * in the answer before this step.
 */
export function adjustmentOf({
  presence = 0,
  frequency = 0,
  bias = [],
}: ExtraSettings): (candidates: readonly Candidate[], countOf: (token: number) => number) => readonly Candidate[] {
  if (presence === 0 && frequency === 0 && bias.length === 0) return (candidates) => candidates;
  const biases = new Map(bias);
  return (candidates, countOf) =>
    candidates.map(([id, q]): Candidate => {
      const count = countOf(id);
      const adjusted = q - (count > 0 ? presence : 0) - frequency * count + (biases.get(id) ?? 0);
      return [id, Math.max(minI32, Math.min(maxI32, adjusted))];
    });
}

/** Step 2: the integer weight, 0 … 2^32, of each candidate with its `q'`. */
export function weightsOf(candidates: readonly Candidate[], { temperature, minP, topP }: Weighing): readonly number[] {
  const best = candidates.reduce((max, [, q]) => Math.max(max, q), -Infinity);
  if (temperature === 0) return greedyWeights(candidates, best);
  const all = candidates.map(([, q]) => weightAt(best - q, temperature));
  const least = minP * all.reduce((max, weight) => Math.max(max, weight), 0);
  const weights = all.map((weight) => (weight * 100 < least ? 0 : weight));
  return topP < 100 ? withinTopP(candidates, weights, topP) : weights;
}

/** The heaviest candidates whose weights together are `topP` hundredths of all; the other weights become 0. */
function withinTopP(candidates: readonly Candidate[], weights: readonly number[], topP: number): readonly number[] {
  const enough = topP * weights.reduce((total, weight) => total + weight, 0);
  const weightOf = (at: number): number => weights[at] ?? 0;
  const idOf = (at: number): number => candidates[at]?.[0] ?? 0;
  const order = [...weights.keys()].sort((a, b) => weightOf(b) - weightOf(a) || idOf(a) - idOf(b));
  const kept = new Set<number>();
  let sum = 0;
  for (const at of order) {
    if (sum * 100 >= enough) break;
    kept.add(at);
    sum += weightOf(at);
  }
  return weights.map((weight, at) => (kept.has(at) ? weight : 0));
}

/** All weight on the smallest id among the best. */
function greedyWeights(candidates: readonly Candidate[], best: number): readonly number[] {
  const first = candidates.reduce((least, [id, q]) => (q === best ? Math.min(least, id) : least), Infinity);
  return candidates.map(([id]) => (id === first ? 1 : 0));
}

/** The weight at distance `d` below the best, in 1024ths of a nat. */
function weightAt(d: number, temperature: number): number {
  if (d >= zeroWeightDistance) return 0;
  const x = Math.floor((d * log2eScaled) / (temperature * 262_144));
  const shift = Math.floor(x / 65_536);
  if (shift > 32) return 0;
  let weight = 2 ** 32;
  for (let b = 1; b <= 16; b++) {
    if ((x & (1 << (16 - b))) !== 0) weight = timesShifted(weight, powers[b - 1] ?? 0);
  }
  return Math.floor(weight / 2 ** shift);
}

/** `(weight × power) >> 32` without passing 2^53. */
function timesShifted(weight: number, power: number): number {
  const high = Math.floor(weight / 65_536);
  const low = weight - high * 65_536;
  return Math.floor((high * power + Math.floor((low * power) / 65_536)) / 65_536);
}

const drawTag = tag('qvac/draw/1');

/** Step 3: the draws of an answer, by its step (`start + i`); each 0 … 2^64 − 1. */
export function drawsOf(seed: Uint8Array): (at: number) => bigint {
  const keyed = keyedHmac(seed);
  return (at) => readU64(keyed(concat(drawTag, u32(at))));
}

/** One draw of an answer. */
export function drawAt(seed: Uint8Array, at: number): bigint {
  return drawsOf(seed)(at);
}

/**
 * Step 4: the first candidate in id order with `(cumulative weight) × 2^64 > draw × (sum of weights)`.
 * @param candidates with their `q'`, ascending by id, at least one
 */
export function pickToken(candidates: readonly Candidate[], weighing: Weighing, draw: bigint): number {
  return pickWeighted(candidates, weightsOf(candidates, weighing), draw);
}

/** Step 4 with the weights given, one for each candidate, not all 0. */
export function pickWeighted(candidates: readonly Candidate[], weights: readonly number[], draw: bigint): number {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  // Cumulative weights are integers, so the fraction does not matter.
  const threshold = Number((draw * BigInt(sum)) >> 64n);
  let cumulative = 0;
  for (const [at, [id]] of candidates.entries()) {
    cumulative += weights[at] ?? 0;
    if (cumulative > threshold) return id;
  }
  throw new RangeError('"candidates" expected a weight above 0');
}
