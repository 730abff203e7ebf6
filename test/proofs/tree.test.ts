import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex, u32 } from '../../src/lib/bytes.ts';
import { MerkleTree, verifyConsistency, verifyPath } from '../../src/proofs/tree/tree.ts';
import { sha256 } from '../../src/protocol/digests.ts';
import { readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly leaves: readonly string[];
  readonly roots: readonly string[];
  readonly paths: readonly { n: number; i: number; path: string[] }[];
  readonly consistency: readonly { m: number; n: number; proof: string[] }[];
  readonly badPaths: readonly { n: number; i: number; path: string[] }[];
}

const vectors = readVectors('tree.json') as Vectors;

function treeOf(leaves: readonly Uint8Array[]): MerkleTree {
  const tree = new MerkleTree();
  for (const leaf of leaves) tree.append(leaf);
  return tree;
}

const leaves = vectors.leaves.map(fromHex);
const tree = treeOf(leaves);
const rootOf = (n: number): Uint8Array => fromHex(vectors.roots[n] ?? '');
const leafAt = (i: number): Uint8Array => leaves[i] ?? new Uint8Array();

fc.configureGlobal({ seed: 1 });

describe('section 4.2: the tree', () => {
  it('has the root of every size, while it grows and afterwards', () => {
    const growing = new MerkleTree();
    for (const [n, root] of vectors.roots.entries()) {
      assert.equal(toHex(growing.root()), root);
      assert.equal(toHex(tree.root(n === leaves.length + 1 ? leaves.length : n)), root);
      if (n < leaves.length) growing.append(leafAt(n));
    }
  });

  it('gives the audit paths, which verify', () => {
    for (const { n, i, path } of vectors.paths) {
      assert.deepEqual(tree.path(i, n).map(toHex), path);
      assert.ok(verifyPath(leafAt(i), i, n, path.map(fromHex), rootOf(n)), `${i} of ${n}`);
    }
  });

  it('refuses paths of another length, order or index', () => {
    for (const { n, i, path } of vectors.badPaths)
      assert.equal(verifyPath(leafAt(i), i, n, path.map(fromHex), rootOf(n)), false, `${i} of ${n}`);
  });

  it('gives consistency proofs, which verify', () => {
    for (const { m, n, proof } of vectors.consistency) {
      assert.deepEqual(tree.consistency(m, n).map(toHex), proof);
      assert.ok(verifyConsistency({ m, n, rootM: rootOf(m), rootN: rootOf(n) }, proof.map(fromHex)), `${m} in ${n}`);
    }
  });

  it('proves every leaf of any tree, at its place alone', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), fc.nat(), (n, a, b) => {
        const [i, other] = [a % n, b % n];
        const all = Array.from({ length: n }, (_, at) => sha256(u32(at)));
        const grown = treeOf(all);
        const path = grown.path(i);
        const leaf = all[i] ?? new Uint8Array();
        assert.ok(verifyPath(leaf, i, n, path, grown.root()));
        assert.equal(verifyPath(leaf, other, n, path, grown.root()), other === i);
      }),
    );
  });

  it('proves every earlier size, and no other root', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), (n, a) => {
        const m = 1 + (a % n);
        const grown = treeOf(Array.from({ length: n }, (_, at) => sha256(u32(at))));
        const proof = grown.consistency(m);
        assert.ok(verifyConsistency({ m, n, rootM: grown.root(m), rootN: grown.root() }, proof));
        assert.equal(verifyConsistency({ m, n, rootM: sha256(u32(n)), rootN: grown.root() }, proof), false);
      }),
    );
  });

  it('refuses sizes and leaves that it does not have', () => {
    assert.throws(() => tree.root(leaves.length + 1), RangeError);
    assert.throws(() => tree.path(3, 3), RangeError);
    assert.throws(() => tree.consistency(0), RangeError);
  });
});
