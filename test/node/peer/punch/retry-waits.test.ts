import assert from 'node:assert/strict';
import { it } from 'node:test';
import { punchWindowMs } from '../../../../src/node/peer/punch/constants.ts';
import { retryWaits } from '../../../../src/node/peer/punch/retry-waits.ts';
import { SeededRandom } from '../../../support/fuzz/random.ts';

/** Between two hosts whose routers refuse what they do not expect; a short one, which leaves them little time to meet. */
const roundTripMs = 20;

/** When one side begins its attempts, each of which is refused after a round trip. */
function attempts(startMs: number, random: () => number): readonly number[] {
  const begun: number[] = [];
  const waits = retryWaits(random);
  for (let at = startMs; at < punchWindowMs; at += roundTripMs + waits.next().value) begun.push(at);
  return begun;
}

it('two sides that did not begin at the same time meet within a round', () => {
  for (let seed = 1; seed <= 1_000; seed++) {
    const drawn = new SeededRandom(seed);
    const random = (): number => drawn.below(1_000_000) / 1_000_000;
    const [one, other] = [attempts(0, random), attempts(100 * random(), random)];
    const meet = one.some((at) => other.some((there) => Math.abs(at - there) < roundTripMs / 2));
    assert.ok(meet, `seed ${seed}`);
  }
});
