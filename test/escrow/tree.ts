import { createHash } from 'node:crypto';
import { concat, u32 } from '../../src/lib/bytes.ts';
import { tag } from '../../src/protocol/digests.ts';
import type { SamplerProof } from './world.ts';

// The tree of RFC 6962 in its recursive form, written apart from the product's own.

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(
    createHash('sha256')
      .update(concat(...parts))
      .digest(),
  );
const split = (n: number): number => 2 ** Math.floor(Math.log2(n - 1));

export function rootOf(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256();
  const [first] = leaves;
  if (leaves.length === 1 && first !== undefined) return first;
  const k = split(leaves.length);
  return sha256(Uint8Array.of(1), rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}

export function pathOf(index: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length <= 1) return [];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return index < k ? [...pathOf(index, left), rootOf(right)] : [...pathOf(index - k, right), rootOf(left)];
}

const i32 = (value: number): Uint8Array => u32(value >>> 0);

/** `leaf_i` of protocol section 4.1. */
export function leafOf(jobId: Uint8Array, index: number, step: SamplerProof['step']): Uint8Array {
  const list = step.candidates.flatMap(([id, q]) => [u32(id), i32(q)]);
  const candidates = sha256(
    tag('qvac/cand/1'),
    jobId,
    u32(index),
    step.salt,
    Uint8Array.of(step.candidates.length),
    ...list,
  );
  const zk = step.zk ?? new Uint8Array(32);
  return sha256(
    Uint8Array.of(0),
    tag('qvac/step/1'),
    jobId,
    u32(index),
    u32(step.token),
    step.prefix,
    candidates,
    step.exact,
    zk,
  );
}
