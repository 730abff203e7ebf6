import { createHmac } from 'node:crypto';
import { integer, sha, tag } from './bytes.ts';
import type { Extra } from './extra.ts';
import type { Offer } from './messages.ts';

/** Sections 4.1 to 4.3: weights, draws, chains, paths and positions, all in BigInt. */

export type Candidates = readonly (readonly [number, number])[];

const factors =
  'b504f333 d744fcca eac0c6e7 f5257d15 fa83b2db fd3e0c0c fe9e115c ff4ecb59 ffa75652 ffd3a751 ffe9d2b2 fff4e91b fffa747e fffd3a3b fffe9d1c ffff4e8e'
    .split(' ')
    .map((hex) => BigInt(`0x${hex}`));

export function adjusted(candidates: Candidates, extra: Extra, before: readonly number[]): Candidates {
  return candidates.map(([id, q]) => {
    const times = before.filter((token) => token === id).length;
    const bias = extra.bias?.find(([biased]) => biased === id)?.[1] ?? 0;
    const sum = q - (times > 0 ? (extra.presence ?? 0) : 0) - (extra.frequency ?? 0) * times + bias;
    return [id, Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), sum))] as const;
  });
}

function weights(candidates: Candidates, { temperature, minP, topP }: Offer): readonly bigint[] {
  const highest = Math.max(...candidates.map(([, q]) => q));
  if (temperature === 0) {
    const first = candidates.findIndex(([, q]) => q === highest);
    return candidates.map((_, at) => (at === first ? 1n : 0n));
  }
  const all = candidates.map(([, q]) => {
    const x = (BigInt(highest - q) * 24204406n * 100n) / (BigInt(temperature) * 262144n);
    const shift = x >> 16n;
    let weight = 2n ** 32n;
    for (const [at, factor] of factors.entries()) if ((x >> BigInt(15 - at)) & 1n) weight = (weight * factor) >> 32n;
    return shift > 32n ? 0n : weight >> shift;
  });
  const largest = all.reduce((one, other) => (one > other ? one : other));
  const kept = all.map((weight) => (minP > 0 && weight * 100n < BigInt(minP) * largest ? 0n : weight));
  if (topP === 100) return kept;
  const whole = sum(kept);
  // Candidates are in id order, and sorting is stable: ties go to the lower id.
  const order = [...kept.keys()].sort((a, b) => Number((kept[b] ?? 0n) - (kept[a] ?? 0n)));
  const enough = order.findIndex(
    (_, at) => sum(order.slice(0, at + 1).map((index) => kept[index] ?? 0n)) * 100n >= BigInt(topP) * whole,
  );
  return kept.map((weight, at) => (order.indexOf(at) <= enough ? weight : 0n));
}

const sum = (values: readonly bigint[]): bigint => values.reduce((one, other) => one + other, 0n);

/** @param at step of the whole answer */
export function drawn(candidates: Candidates, offer: Offer, at: number): number | undefined {
  const all = weights(candidates, offer);
  const draw = createHmac('sha256', offer.seed)
    .update(Buffer.concat([tag('qvac/draw/1'), integer(at, 4)]))
    .digest()
    .readBigUInt64BE();
  let cumulative = 0n;
  return candidates.find((_, index) => (cumulative += all[index] ?? 0n) * 2n ** 64n > draw * sum(all))?.[0];
}

export function chainOf(start: Buffer, tokens: readonly number[]): readonly Buffer[] {
  const chain = [start];
  for (const token of tokens) chain.push(sha(tag('qvac/prefix/1'), chain.at(-1) ?? start, integer(token, 4)));
  return chain;
}

/** `round_half_even(logit × 1024)` by the digits of its binary fraction. */
export function quantised(logit: number): number {
  const scaled = logit * 1024;
  if (!Number.isFinite(scaled)) return scaled > 0 ? 2 ** 31 - 1 : -(2 ** 31);
  const lower = Math.floor(scaled);
  const rest = scaled - lower;
  const rounded = rest > 0.5 || (rest === 0.5 && Math.abs(lower) % 2 === 1) ? lower + 1 : lower;
  return Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), rounded));
}

/** RFC 6962, section 2.1.1, down from the root: the side of each element of the path, from the leaf up. */
function sidesOf(i: number, n: number): readonly ('left' | 'right')[] {
  if (n === 1) return [];
  let split = 1;
  while (split * 2 < n) split *= 2;
  return i < split ? [...sidesOf(i, split), 'right'] : [...sidesOf(i - split, n - split), 'left'];
}

export function rootOver(leaf: Buffer, i: number, n: number, path: readonly Buffer[]): Buffer | null {
  const sides = sidesOf(i, n);
  if (sides.length !== path.length) return null;
  return path.reduce(
    (node, sibling, at) =>
      sides[at] === 'left' ? sha(integer(1, 1), sibling, node) : sha(integer(1, 1), node, sibling),
    leaf,
  );
}

/** RFC 6962, section 2.1: the root of all leaves. */
export function rootOf(leaves: readonly Buffer[]): Buffer {
  const [leaf] = leaves;
  if (leaf === undefined) return sha();
  if (leaves.length === 1) return leaf;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha(integer(1, 1), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

export function positionsOf(root: Buffer, secret: Buffer, n: number, wanted: number): readonly number[] {
  const chosen = new Set(n === 0 ? [] : [0, n - 1]);
  for (let t = 0; chosen.size < Math.min(wanted, n); t++)
    chosen.add(Number(sha(tag('qvac/chal/1'), root, secret, integer(t, 4)).readBigUInt64BE() % BigInt(n)));
  return [...chosen].sort((one, other) => one - other);
}
