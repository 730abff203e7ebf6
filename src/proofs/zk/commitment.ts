import { equalBytes } from '../../lib/bytes.ts';
import type { Candidate, Sampler } from '../../protocol/messages.ts';
import { type Weighing, weightsOf } from '../sampling/sampler.ts';
import { toBytes, toInteger } from './field.ts';
import { poseidon } from './poseidon.ts';

/** Section 4.8: how the candidates of a step are committed to, and what a prover can say of them. */

const slotsOfElement = [7, 7, 6] as const;
const slotBits = 35n;
const gapBits = 18n;
const maxDistance = 65_535;
/** The greatest `q`, as an offset from −2^31, begins at this bit of the last element. */
const maxQShift = 210n;
const minI32 = -(2 ** 31);
const maxI32 = 2 ** 31 - 1;
const unusedSlot = BigInt(maxDistance) << gapBits;

/** Candidates and the greatest `q` as three field elements. */
export type ZkElements = readonly [bigint, bigint, bigint];

/**
 * The elements of 1 to 20 candidates.
 * @param candidates ascending by id, ids below 2^18
 */
export function zkElements(candidates: readonly Candidate[]): ZkElements {
  const maxQ = candidates.reduce((max, [, q]) => Math.max(max, q), -Infinity);
  const slots = candidates.map(([id, q], at) => {
    const gap = at === 0 ? id : id - (candidates[at - 1]?.[0] ?? 0) - 1;
    return BigInt(gap) + (BigInt(Math.min(maxQ - q, maxDistance)) << gapBits);
  });
  let from = 0;
  const [e0, e1, e2] = slotsOfElement.map((count) => {
    const packed = Array.from({ length: count }, (_, at) => slots[from + at] ?? unusedSlot);
    from += count;
    return packed.reduce((sum, slot, at) => sum + (slot << (slotBits * BigInt(at))), 0n);
  }) as [bigint, bigint, bigint];
  return [e0, e1, e2 + (BigInt(maxQ - minI32) << maxQShift)];
}

/** `zk_i`: the commitment to elements, hidden by the salt of 16 bytes. */
export function zkDigest(elements: ZkElements, salt: Uint8Array): Uint8Array {
  return toBytes(poseidon([...elements, toInteger(salt)]));
}

/**
 * The candidates that elements stand for, a distance of 65,535 or more as 65,535; null if they are not `count` slots of
 * the one form, or none is the best.
 */
export function candidatesOf(elements: ZkElements, count: number): readonly Candidate[] | null {
  const maxQ = Number(elements[2] >> maxQShift) + minI32;
  const slots = slotsOfElement.flatMap((length, element) =>
    Array.from({ length }, (_, at) => ((elements[element] ?? 0n) >> (slotBits * BigInt(at))) & ((1n << slotBits) - 1n)),
  );
  if (slots.slice(count).some((slot) => slot !== unusedSlot)) return null;
  let id = -1;
  const candidates = slots.slice(0, count).map((slot): Candidate => {
    id += 1 + Number(slot & ((1n << gapBits) - 1n));
    return [id, maxQ - Number(slot >> gapBits)];
  });
  const isBest = candidates.some(([, q]) => q === maxQ);
  const isInRange = candidates.every(([, q]) => maxQ - q <= maxDistance) && maxQ <= maxI32;
  return isBest && isInRange && zkElements(candidates).every((element, at) => element === elements[at])
    ? candidates
    : null;
}

export interface ZkStep {
  readonly sampler: Weighing & Pick<Sampler, 'topK' | 'vocab'>;
  readonly candidates: readonly Candidate[];
  /** 16 bytes */
  readonly salt: Uint8Array;
  readonly zk: Uint8Array;
  readonly token: number;
  /** 0 … 2^64 − 1; not used at temperature 0. */
  readonly draw: bigint;
}

/**
 * Whether the statement of section 4.8 holds for a step with these candidates and this salt: they are committed to, and
 * the draw lies in the token's share of the weights or misses it by less than 2^−20 of the whole.
 */
export function isProvable({ sampler, candidates, salt, zk, token, draw }: ZkStep): boolean {
  const { topK, vocab, temperature } = sampler;
  const isInOrder = candidates.every(([id], at) => id < vocab && (at === 0 || id > (candidates[at - 1]?.[0] ?? id)));
  if (candidates.length !== Math.min(topK, vocab) || !isInOrder) return false;
  if (!equalBytes(zkDigest(zkElements(candidates), salt), zk)) return false;
  const weights = weightsOf(candidates, sampler).map(BigInt);
  const at = candidates.findIndex(([id]) => id === token);
  const own = weights[at] ?? 0n;
  if (own === 0n) return false;
  const before = weights.slice(0, at).reduce((sum, weight) => sum + weight, 0n);
  const whole = weights.reduce((sum, weight) => sum + weight, 0n);
  const drawn = (temperature === 0 ? 0n : draw) * whole;
  const below = (before << 64n) - drawn;
  const above = drawn - ((before + own) << 64n);
  const miss = below > above ? below : above;
  // At its upper end the share does not hold the draw itself: there the miss is 0, which is less, too.
  return miss << 20n < whole << 64n;
}
