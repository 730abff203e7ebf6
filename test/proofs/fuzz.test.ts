import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SeededRandom } from '../support/fuzz/random.ts';
import { fuzzOnce, fuzzTargets } from '../support/fuzz/targets.ts';

/** Changed inputs of each kind; `npm run bench -- fuzz` takes a million. */
const inputs = 3_000;

describe('bytes of strangers', () => {
  for (const target of fuzzTargets) {
    it(`${target.name}: every changed input is refused as malformed, or is the one form of what it says`, () => {
      const random = new SeededRandom(1);
      let taken = 0;
      for (let at = 0; at < inputs; at++) if (fuzzOnce(target, random)) taken++;
      // Both doors were used.
      assert.ok(taken > 0 && taken < inputs, `${taken} of ${inputs} were well formed`);
    });
  }
});
