import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { createRounds, type RoundWork } from '../../../src/model/run/rounds.ts';
import type { LaneCall, Lanes } from '../../../src/model/run/weights.ts';

/** Lanes that count tokens and write down every engine call as `lane:tokens`. */
function countingLanes(count: number): Lanes & { readonly calls: string[] } {
  const lengths = Array.from({ length: count }, () => 0);
  const calls: string[] = [];
  return {
    calls,
    async evaluate(round) {
      calls.push(round.map(({ lane, tokens }) => `${lane}:${tokens.length}`).join(' '));
      for (const { lane, tokens } of round) lengths[lane] = (lengths[lane] ?? 0) + tokens.length;
      await Promise.resolve();
      if (round.some(({ tokens }) => tokens.includes(13))) throw new Error('unlucky');
      return round.map(({ tokens, logitsFrom }) =>
        tokens.slice(logitsFrom).map((token) => ({ ids: Uint32Array.of(token), logits: Float32Array.of(1) })),
      );
    },
    length: (lane) => lengths[lane] ?? 0,
    async erase(lane, from) {
      calls.push(`erase ${lane}`);
      lengths[lane] = from;
      await Promise.resolve();
    },
    copy: () => Promise.resolve(false),
    dispose: () => Promise.resolve(),
  };
}

function work(call: LaneCall, options: Partial<RoundWork> = {}): RoundWork {
  return { call, topK: 20, shared: false, ...options };
}

const token = (lane: number, value = 7): LaneCall => ({ lane, tokens: [value], logitsFrom: 0 });

describe('engine calls', () => {
  it('carry the tokens of one session where it may not share', async () => {
    const lanes = countingLanes(2);
    const rounds = createRounds(lanes);
    await Promise.all([rounds.run(work(token(0))), rounds.run(work(token(1)))]);
    assert.deepEqual(lanes.calls, ['0:1', '1:1']);
  });

  it('carry single tokens of sessions that share together, and blocks alone', async () => {
    const lanes = countingLanes(3);
    const rounds = createRounds(lanes);
    const block: LaneCall = { lane: 1, tokens: [1, 2, 3], logitsFrom: 2 };
    const [first, second, third] = await Promise.all([
      rounds.run(work(token(0), { shared: true })),
      rounds.run(work(block, { shared: true })),
      rounds.run(work(token(2, 9), { shared: true })),
    ]);
    assert.deepEqual(lanes.calls, ['0:1 2:1', '1:3']);
    assert.deepEqual(
      [first, second, third].map((logits) => logits?.map(({ ids }) => ids[0])),
      [[7], [3], [9]],
    );
  });

  it('keep sessions together that go on when a round ends', async () => {
    const lanes = countingLanes(2);
    const rounds = createRounds(lanes);
    const decode = async (lane: number): Promise<void> => {
      for (let at = 0; at < 5; at++) await rounds.run(work(token(lane), { shared: true }));
    };
    await Promise.all([decode(0), decode(1)]);
    assert.deepEqual(
      lanes.calls,
      Array.from({ length: 5 }, () => '0:1 1:1'),
    );
  });

  it('fail alone', async () => {
    const lanes = countingLanes(2);
    const rounds = createRounds(lanes);
    const [bad, good] = await Promise.allSettled([rounds.run(work(token(0, 13))), rounds.run(work(token(1)))]);
    assert.equal(bad.status, 'rejected');
    assert.equal(good.status, 'fulfilled');
  });
});

describe('background calls', () => {
  let now = 0;
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await new Promise((resume) => setImmediate(resume));
  };
  const pass = async (ms: number): Promise<void> => {
    await settled();
    now += ms;
    mock.timers.tick(ms);
    await settled();
  };

  beforeEach(() => {
    now = 0;
    mock.timers.enable({ apis: ['setTimeout'] });
  });
  afterEach(() => mock.timers.reset());

  const block = (lane: number): RoundWork => work({ lane, tokens: [1, 2, 3], logitsFrom: 2 }, { background: true });

  it('run at once if nothing else has run', async () => {
    const lanes = countingLanes(2);
    const rounds = createRounds(lanes, () => now);
    await rounds.run(block(1));
    assert.deepEqual(lanes.calls, ['1:3']);
  });

  it('wait while an answer decodes, until it pauses for 50 ms', async () => {
    const lanes = countingLanes(2);
    const rounds = createRounds(lanes, () => now);
    await rounds.run(work(token(0)));
    void rounds.run(block(1));
    for (let at = 0; at < 5; at++) {
      await pass(15);
      await rounds.run(work(token(0)));
    }
    assert.deepEqual(new Set(lanes.calls), new Set(['0:1']));
    await pass(49);
    assert.equal(lanes.calls.includes('1:3'), false);
    await pass(1);
    assert.equal(lanes.calls.at(-1), '1:3');
  });

  it('have a turn after 2 s, of 200 ms at most, and then wait again', async () => {
    const counting = countingLanes(2);
    const lanes: Lanes = {
      ...counting,
      evaluate(calls, topK) {
        now += calls[0]?.lane === 1 ? 60 : 15;
        return counting.evaluate(calls, topK);
      },
    };
    const rounds = createRounds(lanes, () => now);
    const ends: number[] = [];
    const score = async (): Promise<void> => {
      for (let at = 0; at < 7; at++) {
        await rounds.run(block(1));
        ends.push(now);
      }
    };
    await rounds.run(work(token(0)));
    const scored = score();
    while (now < 6_000) await rounds.run(work(token(0)));
    const [first = 0] = ends;
    assert.ok(first > 2_000 && first < 2_100, `the first call ended at ${first}`);
    const inFirstTurn = ends.filter((end) => end < 4_000).map((end) => end - first);
    assert.ok(inFirstTurn.length >= 3 && inFirstTurn.every((ms) => ms <= 260), String(inFirstTurn));
    const [next = 0] = ends.filter((end) => end >= 4_000);
    assert.ok(next - first > 2_000 && next - first < 2_400, `the second turn began at ${next}`);
    await pass(60);
    await scored;
  });

  it('fail alone', async () => {
    const lanes = countingLanes(2);
    const rounds = createRounds(lanes, () => now);
    const unlucky = rounds.run(work({ lane: 1, tokens: [13], logitsFrom: 0 }, { background: true }));
    await assert.rejects(unlucky, /unlucky/);
    await rounds.run(work(token(0)));
  });
});
