import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { byLane, isWanted, nativeCalls, nativeTokens } from '../../../../src/model/run/native/native-call.ts';
import type { LaneCall } from '../../../../src/model/run/weights.ts';

const step = (lane: number, companion = true): LaneCall => ({ lane, tokens: [7], logitsFrom: 0, companion });

/** Lanes whose token gets a companion, if all have a step in one engine call. */
function accompanied(lanes: readonly number[]): readonly number[] {
  return nativeCalls(lanes.map((lane) => step(lane))).flatMap(({ lane, hasCompanion }) => (hasCompanion ? [lane] : []));
}

describe('a companion', () => {
  it('goes with each token that has no other lane beside it', () => {
    assert.deepEqual(accompanied([2]), [2]);
    assert.deepEqual(accompanied([1, 2]), []);
    assert.deepEqual(accompanied([2, 0]), [2, 0]);
    assert.deepEqual(accompanied([3, 0, 1]), [3]);
    assert.deepEqual(accompanied([0, 2, 3, 5, 6, 7]), [0]);
  });

  it('goes with no block, and with nothing that does not ask for it', () => {
    const [block, other] = nativeCalls([{ ...step(0), tokens: [7, 8] }, step(2, false)]);
    assert.deepEqual([block?.hasCompanion, other?.hasCompanion], [false, false]);
  });

  it('is computed behind the token, and no logits after it are read', () => {
    const [call = assert.fail()] = nativeCalls([step(4)]);
    const tokens = nativeTokens(call);
    assert.equal(tokens.length, 2);
    assert.deepEqual([tokens[0], isWanted(call, 0), isWanted(call, 1)], [7, true, false]);
  });
});

describe('the parts of an engine call', () => {
  it('come in the order of their lanes, each whole, however they were queued', () => {
    const items = [3, 0, 2, 1].map((lane) => ({ tokens: [lane, 7], evaluationPriority: lane }));
    const parts = byLane({ items });
    assert.deepEqual(
      parts.map(({ item, processAmount }) => [item.evaluationPriority, processAmount]),
      [0, 1, 2, 3].map((lane) => [lane, 2]),
    );
    assert.ok(parts.every(({ item }) => items.includes(item)));
  });
});
