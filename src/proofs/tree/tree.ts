import { concat, equalBytes } from '../../lib/bytes.ts';
import { sha256 } from '../../protocol/digests.ts';
import { DigestList } from './digest-list.ts';

/** The hash tree of RFC 6962 section 2.1 over leaves that are hashes already (section 4.2). */

const emptyRoot = sha256(new Uint8Array());

function parent(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(concat(Uint8Array.of(1), left, right));
}

/** The largest power of two below `n`, where a tree of `n` leaves divides. `n` is at least 2. */
function splitOf(n: number): number {
  return 2 ** (31 - Math.clz32(n - 1));
}

/** Grows leaf by leaf. Roots, paths and proofs of every earlier size can be asked at any time. */
export class MerkleTree {
  /** `#levels[k]` holds the roots of the complete subtrees of `2^k` leaves. */
  readonly #levels: DigestList[] = [new DigestList()];

  get size(): number {
    return this.#levels[0]?.length ?? 0;
  }

  append(leaf: Uint8Array): void {
    let node = leaf;
    for (let height = 0; ; height++) {
      const level = (this.#levels[height] ??= new DigestList());
      level.push(node);
      if (level.length % 2 !== 0) return;
      node = parent(level.at(level.length - 2), node);
    }
  }

  /** Root over the first `n` leaves. */
  root(n: number = this.size): Uint8Array {
    this.#checkSize(n);
    return n === 0 ? emptyRoot : this.#subtree(0, n);
  }

  /** Audit path of leaf `i` among the first `n`, from the leaf up (RFC 6962 section 2.1.1). */
  path(i: number, n: number = this.size): readonly Uint8Array[] {
    this.#checkSize(n);
    if (!Number.isInteger(i) || i < 0 || i >= n) throw new RangeError(`"i" expected a leaf below ${n}, got ${i}`);
    const path: Uint8Array[] = [];
    let [start, end] = [0, n];
    while (end - start > 1) {
      const middle = start + splitOf(end - start);
      const [siblingStart, siblingEnd] = i < middle ? [middle, end] : [start, middle];
      path.push(this.#subtree(siblingStart, siblingEnd));
      [start, end] = i < middle ? [start, middle] : [middle, end];
    }
    return path.reverse();
  }

  /** Proof that the first `m` leaves are the beginning of the first `n` (RFC 6962 section 2.1.2). `m` is at least 1. */
  consistency(m: number, n: number = this.size): readonly Uint8Array[] {
    this.#checkSize(n);
    if (!Number.isInteger(m) || m < 1 || m > n) throw new RangeError(`"m" expected 1 to ${n}, got ${m}`);
    const proof: Uint8Array[] = [];
    let [start, end, known] = [0, n, true];
    while (m < end) {
      const middle = start + splitOf(end - start);
      if (m <= middle) {
        proof.push(this.#subtree(middle, end));
        end = middle;
      } else {
        proof.push(this.#subtree(start, middle));
        start = middle;
        known = false;
      }
    }
    if (!known) proof.push(this.#subtree(start, end));
    return proof.reverse();
  }

  /** Root over the leaves `start` to `end`, which is one of the ranges that the tree divides into. */
  #subtree(start: number, end: number): Uint8Array {
    const count = end - start;
    const height = 31 - Math.clz32(count);
    if (count === 2 ** height) return this.#complete(height, start / count);
    const middle = start + splitOf(count);
    return parent(this.#subtree(start, middle), this.#subtree(middle, end));
  }

  #complete(height: number, at: number): Uint8Array {
    const level = this.#levels[height];
    if (level === undefined) throw new RangeError(`"height" expected a level of the tree, got ${height}`);
    return level.at(at);
  }

  #checkSize(n: number): void {
    if (!Number.isInteger(n) || n < 0 || n > this.size)
      throw new RangeError(`"n" expected 0 to ${this.size}, got ${n}`);
  }
}

/** Whether `path` leads from `leaf`, number `i` of `n`, to `root`. Never throws. */
export function verifyPath(
  leaf: Uint8Array,
  i: number,
  n: number,
  path: readonly Uint8Array[],
  root: Uint8Array,
): boolean {
  if (!Number.isInteger(i) || i < 0 || i >= n) return false;
  let node = leaf;
  let [index, last] = [i, n - 1];
  for (const sibling of path) {
    if (last === 0) return false;
    if (index % 2 === 1 || index === last) {
      node = parent(sibling, node);
      // At the right edge a node stands in for its parents until it has a left sibling.
      while (index % 2 === 0) [index, last] = [half(index), half(last)];
    } else {
      node = parent(node, sibling);
    }
    [index, last] = [half(index), half(last)];
  }
  return last === 0 && equalBytes(node, root);
}

function half(value: number): number {
  return Math.floor(value / 2);
}

export interface TreeHeadPair {
  readonly m: number;
  readonly n: number;
  readonly rootM: Uint8Array;
  readonly rootN: Uint8Array;
}

/**
 * Whether `proof` shows that the tree of `m` leaves is the beginning of that of `n` (RFC 9162 section 2.1.4.2). Never
 * throws.
 */
export function verifyConsistency({ m, n, rootM, rootN }: TreeHeadPair, proof: readonly Uint8Array[]): boolean {
  if (!Number.isInteger(m) || !Number.isInteger(n) || m < 1 || m > n) return false;
  if (m === n) return proof.length === 0 && equalBytes(rootM, rootN);
  const isComplete = 2 ** (31 - Math.clz32(m)) === m;
  const [first, ...rest] = isComplete ? [rootM, ...proof] : proof;
  if (first === undefined) return false;
  let [index, last] = [m - 1, n - 1];
  while (index % 2 === 1) [index, last] = [half(index), half(last)];
  let [old, whole] = [first, first];
  for (const node of rest) {
    if (last === 0) return false;
    if (index % 2 === 1 || index === last) {
      old = parent(node, old);
      whole = parent(node, whole);
      while (index !== 0 && index % 2 === 0) [index, last] = [half(index), half(last)];
    } else {
      whole = parent(whole, node);
    }
    [index, last] = [half(index), half(last)];
  }
  return last === 0 && equalBytes(old, rootM) && equalBytes(whole, rootN);
}
