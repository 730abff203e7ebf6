import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { candDigest, exactDigest, leafOf, prefixesAt, saltsOf } from '../../src/proofs/sampling/step.ts';
import { float32, readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly chains: readonly { inputDigest: string; tokens: number[]; prefixes: string[] }[];
  readonly cand: readonly {
    jobId: string;
    i: number;
    providerSecret: string;
    salt: string;
    candidates: [number, number][];
    cand: string;
  }[];
  readonly exact: readonly { logits: [number, string][]; exact: string }[];
  readonly leaf: readonly {
    jobId: string;
    i: number;
    token: number;
    prefix: string;
    cand: string;
    exact: string;
    zk: string;
    leaf: string;
  }[];
}

const vectors = readVectors('hashes.json') as Vectors;

describe('section 4.1, steps 5 to 8', () => {
  for (const { inputDigest, tokens, prefixes } of vectors.chains) {
    it(`prefix chain of ${tokens.length} tokens`, () => {
      const found = prefixesAt(fromHex(inputDigest), tokens, prefixes.keys());
      assert.deepEqual([...found.values()].map(toHex), prefixes);
      assert.equal(prefixesAt(fromHex(inputDigest), tokens, [tokens.length + 1]).size, 0);
    });
  }

  for (const { jobId, i, providerSecret, salt, candidates, cand } of vectors.cand) {
    it(`cand of ${candidates.length} candidates at ${i}`, () => {
      assert.equal(toHex(saltsOf(fromHex(providerSecret))(i)), salt);
      assert.equal(toHex(candDigest(fromHex(jobId), i, fromHex(salt), candidates)), cand);
    });
  }

  for (const { logits, exact } of vectors.exact) {
    it(`exact of ${logits.length} logits`, () => {
      const candidates = logits.map(([id]) => [id, 0] as const);
      assert.equal(
        toHex(
          exactDigest(
            candidates,
            Float32Array.from(logits, ([, hex]) => float32(hex)),
          ),
        ),
        exact,
      );
    });
  }

  for (const { jobId, i, token, prefix, cand, exact, zk, leaf } of vectors.leaf) {
    it(`leaf ${i}`, () => {
      assert.equal(
        toHex(
          leafOf({
            jobId: fromHex(jobId),
            i,
            token,
            prefix: fromHex(prefix),
            cand: fromHex(cand),
            exact: fromHex(exact),
            zk: fromHex(zk),
          }),
        ),
        leaf,
      );
    });
  }
});
