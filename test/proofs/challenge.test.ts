import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { challengePositions } from '../../src/proofs/tree/challenge.ts';
import { sha256 } from '../../src/protocol/digests.ts';
import { readVectors } from '../support/vectors.ts';

interface Case {
  readonly root: string;
  readonly secret: string;
  readonly commit: string;
  readonly n: number;
  readonly count: number;
  readonly positions: readonly number[];
}

fc.configureGlobal({ seed: 1 });

describe('section 4.3: challenged positions', () => {
  for (const { root, secret, commit, n, count, positions } of (
    readVectors('challenge.json') as { cases: readonly Case[] }
  ).cases) {
    it(`${count} of ${n}`, () => {
      assert.deepEqual(challengePositions(fromHex(root), fromHex(secret), n, count), positions);
      assert.equal(toHex(sha256(fromHex(secret))), commit);
    });
  }

  it('are as many as asked, distinct, ascending, with the first and the last', () => {
    const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(
        digest,
        digest,
        fc.integer({ min: 1, max: 5_000 }),
        fc.integer({ min: 2, max: 256 }),
        (root, secret, n, count) => {
          const positions = challengePositions(root, secret, n, count);
          assert.equal(positions.length, Math.min(count, n));
          assert.ok(positions.every((position, at) => at === 0 || position > (positions[at - 1] ?? n)));
          assert.equal(positions[0], 0);
          assert.equal(positions.at(-1), n - 1);
        },
      ),
    );
  });
});
