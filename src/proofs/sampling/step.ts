import { concat, u32 } from '../../lib/bytes.ts';
import { keyedHmac, sha256, tag } from '../../protocol/digests.ts';
import type { Candidate } from '../../protocol/messages.ts';

/** The digests of one step (section 4.1, steps 5 to 8). `jobId` in its 32 bytes. */

const prefixTag = tag('qvac/prefix/1');
const candTag = tag('qvac/cand/1');
const exactTag = tag('qvac/exact/1');
const stepTag = tag('qvac/step/1');

/** Most candidates that a leaf can hold: their number is one byte. */
export const maxCandidates = 255;

/** `zk_i` in every mode but `zk`, and `cand_i` in that one. */
export const noZk = new Uint8Array(32);
export const noCand = new Uint8Array(32);

/** `prefix_{i+1}` from `prefix_i` and `token_i`. `prefix_0` is the input digest. */
export function prefixAfter(prefix: Uint8Array, token: number): Uint8Array {
  return sha256(concat(prefixTag, prefix, u32(token)));
}

/**
 * `prefix_i` of a job for every `i` of `positions`, 0 … n; other positions are left out. Only these are kept: a
 * stranger's receipt may have millions of tokens.
 */
export function prefixesAt(
  inputDigest: Uint8Array,
  tokens: readonly number[],
  positions: Iterable<number>,
): ReadonlyMap<number, Uint8Array> {
  const wanted = new Set(positions);
  const prefixes = new Map<number, Uint8Array>();
  let prefix = inputDigest;
  if (wanted.has(0)) prefixes.set(0, prefix);
  for (const [at, token] of tokens.entries()) {
    prefix = prefixAfter(prefix, token);
    if (wanted.has(at + 1)) prefixes.set(at + 1, prefix);
  }
  return prefixes;
}

/** A job's `salt_i`, 16 bytes, by step, from the provider's 32-byte secret for this job. */
export function saltsOf(jobSecret: Uint8Array): (i: number) => Uint8Array {
  const keyed = keyedHmac(jobSecret);
  return (i) => keyed(u32(i)).slice(0, 16);
}

/** `cand_i`: what was drawn from, hidden by the salt until it is opened. At most 255 candidates. */
export function candDigest(
  jobId: Uint8Array,
  i: number,
  salt: Uint8Array,
  candidates: readonly Candidate[],
): Uint8Array {
  const pairs = pairBytes(candidates.length, (view, at, offset) => {
    const [id, q] = candidates[at] ?? [0, 0];
    view.setUint32(offset, id);
    view.setInt32(offset + 4, q);
  });
  return sha256(concat(candTag, jobId, u32(i), salt, pairs));
}

/** `exact_i`: the same candidates with their logits before rounding. */
export function exactDigest(candidates: readonly Candidate[], logits: Float32Array): Uint8Array {
  const pairs = pairBytes(candidates.length, (view, at, offset) => {
    view.setUint32(offset, candidates[at]?.[0] ?? 0);
    view.setFloat32(offset + 4, logits[at] ?? Number.NaN);
  });
  return sha256(concat(exactTag, pairs));
}

/** `u8 count ‖ count × 8 bytes`. */
function pairBytes(count: number, write: (view: DataView, at: number, offset: number) => void): Uint8Array {
  if (count > maxCandidates) throw new RangeError(`"candidates" expected at most ${maxCandidates}, got ${count}`);
  const view = new DataView(new ArrayBuffer(1 + 8 * count));
  view.setUint8(0, count);
  for (let at = 0; at < count; at++) write(view, at, 1 + 8 * at);
  return new Uint8Array(view.buffer);
}

export interface LeafParts {
  readonly jobId: Uint8Array;
  readonly i: number;
  readonly token: number;
  readonly prefix: Uint8Array;
  readonly cand: Uint8Array;
  readonly exact: Uint8Array;
  readonly zk: Uint8Array;
}

/** `leaf_i`: all of one step. */
export function leafOf({ jobId, i, token, prefix, cand, exact, zk }: LeafParts): Uint8Array {
  return sha256(concat(Uint8Array.of(0), stepTag, jobId, u32(i), u32(token), prefix, cand, exact, zk));
}
