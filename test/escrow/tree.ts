import type { ProvenStep } from '../../src/escrow/escrow.ts';
import { concat, u32 } from '../../src/lib/bytes.ts';
import { tag } from '../../src/protocol/digests.ts';
import { digest, sha256, zeros } from './world.ts';

// The tree of RFC 6962 in its recursive form, written apart from the product's own.

/** What a leaf is made of. */
export type Step = Omit<ProvenStep, 'i' | 'path'>;

const split = (n: number): number => 2 ** Math.floor(Math.log2(n - 1));

function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256();
  const [first] = leaves;
  if (leaves.length === 1 && first !== undefined) return first;
  const k = split(leaves.length);
  return sha256(Uint8Array.of(1), rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}

function pathOf(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length <= 1) return [];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return index < k ? [...pathOf(index, left), rootOf(right)] : [...pathOf(index - k, right), rootOf(left)];
}

const i32 = (value: number): Uint8Array => u32(value >>> 0);

/** `leaf_i` of protocol section 4.1. */
export function leafOf(jobId: Uint8Array, index: number, step: Step): Uint8Array {
  const { token, prefix, salt, candidates, exact, zk } = step;
  const list = candidates?.flatMap(([id, q]) => [u32(id), i32(q)]) ?? [];
  const shown = sha256(tag('qvac/cand/1'), jobId, u32(index), salt, Uint8Array.of(candidates?.length ?? 0), ...list);
  return sha256(
    concat(
      Uint8Array.of(0),
      tag('qvac/step/1'),
      jobId,
      u32(index),
      u32(token),
      prefix,
      candidates === null ? zeros(32) : shown,
      exact,
      zk,
    ),
  );
}

/** The deepest tree of `count` leaves that a proof of its last one needs: all other leaves are left out. */
export function lastOf(jobId: Uint8Array, depth: number, step: Step): { root: Uint8Array; proof: ProvenStep } {
  const i = 2 ** depth - 1;
  const path = Array.from({ length: depth }, (_, level) => digest(`level ${level}`));
  const root = path.reduce((right, left) => sha256(Uint8Array.of(1), left, right), leafOf(jobId, i, step));
  return { root, proof: { ...step, i, path } };
}

/** The root of the steps, and each with its place. */
export function treeOf(jobId: Uint8Array, steps: readonly Step[]): { root: Uint8Array; prove(i: number): ProvenStep } {
  const leaves = steps.map((step, index) => leafOf(jobId, index, step));
  return {
    root: rootOf(leaves),
    prove: (i) => ({ ...(steps[i] as Step), i, path: pathOf(i, leaves) }),
  };
}

/** A step in which the token was not drawn: it shows no candidates at all. */
export const falseStep: Step = {
  token: 299,
  prefix: digest('prefix'),
  salt: zeros(16),
  candidates: [],
  exact: digest('exact'),
  zk: zeros(32),
};

/** A step whose token can only be the one that is drawn, in an offer with one candidate. */
export const forcedStep: Step = { ...falseStep, token: 5, candidates: [[5, 0]] };
