import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EngineSession } from '../../../src/model/engine.ts';
import { createLanePool } from '../../../src/model/run/lane-pool.ts';
import { createRounds } from '../../../src/model/run/rounds.ts';
import { createSession } from '../../../src/model/run/session.ts';
import type { TopLogits } from '../../../src/proofs/logits.ts';
import type { Exec } from '../../../src/protocol/messages.ts';
import { createHistoryLanes, type HistoryLanes, type HistoryLanesInit } from '../../support/history-lanes.ts';

const block = 8;

const exec: Exec = {
  engine: 'llama.cpp x',
  backend: 'cpu',
  kernels: 'k',
  threads: 1,
  batch: 4,
  promptBatch: block,
  flash: true,
  kv: 'f16',
  gpuLayers: 0,
  sequences: 4,
};

interface MachineInit extends Partial<HistoryLanesInit> {
  readonly maxKept?: number | undefined;
}

interface OpenInit {
  readonly owner?: string | null | undefined;
  readonly exec?: Exec | undefined;
  readonly isAnswerKeepable?: boolean | undefined;
}

/** Lanes with a pool in front, and sessions over them. */
function machine({ maxKept = 4, lanes: count = 4, context = 256, ...init }: MachineInit = {}): {
  readonly lanes: HistoryLanes;
  open(init?: OpenInit): EngineSession;
} {
  const lanes = createHistoryLanes({ lanes: count, context, ...init });
  const rounds = createRounds(lanes);
  const pool = createLanePool(lanes, { lanes: count, maxKept });
  return {
    lanes,
    open: ({ owner = 'alice', exec: asked = exec, isAnswerKeepable = false } = {}) =>
      createSession({
        lanes,
        rounds,
        pool,
        owner,
        exec: asked,
        companions: false,
        blocksAreExact: isAnswerKeepable,
        isAnswerKeepable,
        context,
        shutdown: new AbortController().signal,
        onRelease: () => Promise.resolve(),
      }),
  };
}

/** `count` tokens; another `from` gives others. */
const tokens = (count: number, from = 0): number[] => Array.from({ length: count }, (_, at) => from * 1_000 + at);

/** Runs a job of `answer` tokens. Returns the bits of every step. */
async function run(session: EngineSession, prompt: readonly number[], answer = 3): Promise<string[]> {
  const tops: TopLogits[] = [await session.prefill(prompt, 2)];
  for (let at = 1; at < answer; at++) tops.push(await session.decode(9_000 + at, 2));
  await session.release();
  return tops.map(({ ids, logits }) => `${ids.join()}:${logits.join()}`);
}

/** The same from nothing. */
const fresh = (prompt: readonly number[], answer = 3, init: OpenInit = {}): Promise<string[]> =>
  run(machine().open({ ...init, owner: null }), prompt, answer);

describe('a kept prompt', () => {
  it('saves a follow-up the whole blocks of its beginning, with equal bits', async () => {
    const { lanes, open } = machine();
    const first = tokens(20);
    await run(open(), first);
    assert.deepEqual(lanes.calls, [8, 8, 4, 1, 1]);
    const followUp = [...first, 9_001, 9_002, ...tokens(10, 1)];
    lanes.calls.length = 0;
    const session = open();
    const bits = await run(session, followUp);
    assert.deepEqual(lanes.calls, [8, 8, 1, 1]);
    assert.equal(session.savings?.reused, 16);
    assert.deepEqual(bits, await fresh(followUp));
  });

  it('never saves the last block, which gives the logits', async () => {
    const { lanes, open } = machine();
    await run(open(), tokens(16));
    lanes.calls.length = 0;
    assert.deepEqual(await run(open(), tokens(16)), await fresh(tokens(16)));
    assert.deepEqual(lanes.calls, [8, 1, 1]);
  });

  it('holds nothing of the answer unless one token per call gives the bits of a block', async () => {
    for (const isAnswerKeepable of [false, true]) {
      const { lanes, open } = machine(isAnswerKeepable ? { exactUpTo: 8 } : {});
      await run(open({ isAnswerKeepable }), tokens(20), 10);
      const followUp = [...tokens(20), ...Array.from({ length: 9 }, (_, at) => 9_001 + at), 5];
      lanes.calls.length = 0;
      const bits = await run(open({ isAnswerKeepable }), followUp);
      assert.deepEqual(lanes.calls, isAnswerKeepable ? [6, 1, 1] : [8, 6, 1, 1]);
      assert.deepEqual(bits, await run(machine(isAnswerKeepable ? { exactUpTo: 8 } : {}).open(), followUp));
    }
  });

  it('is of no use to another client, in content or time', async () => {
    const { lanes, open } = machine();
    await run(open({ owner: 'alice' }), tokens(40));
    for (const owner of ['bob', null]) {
      lanes.calls.length = 0;
      const session = open({ owner });
      assert.deepEqual(await run(session, tokens(40)), await fresh(tokens(40)));
      assert.deepEqual(lanes.calls, [8, 8, 8, 8, 8, 1, 1]);
      assert.equal(session.savings?.reused, 0);
    }
    // Alice's prompt is still there.
    lanes.calls.length = 0;
    await run(open({ owner: 'alice' }), tokens(40));
    assert.deepEqual(lanes.calls, [8, 1, 1]);
  });

  it('is of no use to another class', async () => {
    const { lanes, open } = machine();
    await run(open(), tokens(40));
    for (const other of [{ threads: 0 }, { promptBatch: 4 }, { batch: 2 }, { sequences: 1 }, { kernels: 'other' }]) {
      const session = open({ exec: { ...exec, ...other } });
      await run(session, tokens(40));
      assert.equal(session.savings?.reused, 0, JSON.stringify(other));
    }
    assert.deepEqual(lanes.copies, []);
  });

  it('counts from the first token on: a block at another position is another block', async () => {
    const { open } = machine();
    await run(open(), tokens(24));
    const moved = [...tokens(8, 1), ...tokens(24)];
    const session = open();
    assert.deepEqual(await run(session, moved), await fresh(moved));
    assert.equal(session.savings?.reused, 0);
    // One token differs in the second block.
    const changed = tokens(24).with(12, 77);
    const second = open();
    assert.deepEqual(await run(second, changed), await fresh(changed));
    assert.equal(second.savings?.reused, 8);
  });

  it('leaves new jobs lanes in a row, which the engine computes together', async () => {
    const { lanes, open } = machine({ lanes: 6 });
    const lengths = (): readonly number[] => [0, 1, 2, 3, 4, 5].map((lane) => lanes.length(lane));
    const sessions: EngineSession[] = [];
    for (let at = 0; at < 4; at++) {
      const session = open({ owner: at === 1 ? 'alice' : null });
      await session.prefill(tokens(10 + at), 2);
      sessions.push(session);
    }
    assert.deepEqual(lengths(), [10, 11, 12, 13, 0, 0]);
    await sessions[0]?.release();
    await sessions[1]?.release();
    assert.deepEqual(lengths(), [0, 8, 12, 13, 0, 0]);
    // The prompt in lane 1 is kept, so that lane 4 is the only one beside another job's.
    await open({ owner: null }).prefill(tokens(20), 2);
    assert.deepEqual(lengths(), [0, 8, 12, 13, 20, 0]);
  });

  it('is copied for a conversation that shares the beginning alone, and goes on itself', async () => {
    const { lanes, open } = machine();
    const long = tokens(60);
    const branch = [...tokens(17), ...tokens(12, 1)];
    await run(open(), long);
    const session = open();
    assert.deepEqual(await run(session, branch), await fresh(branch));
    assert.deepEqual([session.savings?.reused, lanes.copies], [16, ['0>1:16']]);
    for (const prompt of [
      [...long, ...tokens(9, 2)],
      [...branch, ...tokens(9, 3)],
    ]) {
      const next = open();
      assert.deepEqual(await run(next, prompt), await fresh(prompt));
      assert.equal(next.savings?.reused, prompt.length === 69 ? 56 : 24);
    }
  });

  it('is gone on with where it lies if the library cannot copy, or there is no other lane', async () => {
    for (const init of [{ canCopy: false }, { lanes: 1 }]) {
      const { open } = machine(init);
      await run(open(), tokens(60));
      const branch = [...tokens(17), ...tokens(12, 1)];
      const session = open();
      assert.deepEqual(await run(session, branch), await fresh(branch));
      assert.equal(session.savings?.reused, 16);
      const next = open();
      await run(next, branch);
      assert.equal(next.savings?.reused, 24);
    }
  });

  it('gives way to a newer one of the client with the most, so that no client drives out the others', async () => {
    const { open } = machine({ lanes: 3, maxKept: 3 });
    await run(open({ owner: 'bob' }), tokens(20));
    for (let at = 1; at <= 5; at++) await run(open({ owner: 'alice' }), tokens(20, at));
    const reusedBy = async (owner: string, from: number): Promise<number | undefined> => {
      const session = open({ owner });
      await run(session, tokens(20, from));
      return session.savings?.reused;
    };
    assert.equal(await reusedBy('bob', 0), 16);
    assert.equal(await reusedBy('alice', 5), 16);
    assert.equal(await reusedBy('alice', 4), 16);
    assert.equal(await reusedBy('alice', 3), 0);
  });

  it('is not kept where no prompts are kept, and at most so many are', async () => {
    for (const [maxKept, reused] of [
      [0, [0, 0]],
      [1, [0, 16]],
    ] as const) {
      const { lanes, open } = machine({ maxKept });
      await run(open(), tokens(20, 1));
      await run(open(), tokens(20, 2));
      assert.equal(lanes.length(0) + lanes.length(1) + lanes.length(2) + lanes.length(3), maxKept * 16);
      for (const [at, expected] of reused.entries()) {
        const session = open();
        await session.prefill(tokens(20, at + 1), 2);
        assert.equal(session.savings?.reused, expected);
        await session.release();
        if (at === 0) await run(open(), tokens(20, 2));
      }
    }
  });

  it('holds what an aborted prompt has computed, and nothing after a failed call', async () => {
    const { lanes, open } = machine();
    const leaving = new AbortController();
    const session = open();
    const prefill = session.prefill(tokens(40), 2, { signal: leaving.signal });
    while (lanes.calls.length < 2) await new Promise((resume) => setImmediate(resume));
    leaving.abort(new Error('gone'));
    await assert.rejects(prefill, /gone/);
    await session.release();
    const next = open();
    assert.deepEqual(await run(next, tokens(40)), await fresh(tokens(40)));
    assert.ok((next.savings?.reused ?? 0) >= 8);

    const failing = open();
    lanes.failNext();
    await assert.rejects(failing.prefill(tokens(40, 1), 2), /failed/);
    await failing.release();
    const last = open();
    assert.deepEqual(await run(last, tokens(40, 1)), await fresh(tokens(40, 1)));
    assert.equal(last.savings?.reused, 0);
  });

  it('counts no token of an answer behind a call that was given up', async () => {
    const { lanes, open } = machine({ exactUpTo: 8 });
    const session = open({ isAnswerKeepable: true });
    await session.prefill(tokens(20), 2);
    const leaving = new AbortController();
    const given = session.decode(9_001, 2, { signal: leaving.signal });
    while (lanes.calls.length < 4) await new Promise((resume) => setImmediate(resume));
    leaving.abort(new Error('gone'));
    await given.catch(() => undefined);
    for (let at = 2; at < 12; at++) await session.decode(9_000 + at, 2);
    await session.release();
    const prompt = [...tokens(20), ...Array.from({ length: 11 }, (_, at) => 9_001 + at), 5];
    const next = open({ isAnswerKeepable: true });
    assert.deepEqual(await run(next, prompt), await run(machine({ exactUpTo: 8 }).open(), prompt));
  });

  it('is neither used nor left by a re-execution', async () => {
    const { lanes, open } = machine();
    await run(open(), tokens(20));
    lanes.calls.length = 0;
    const checking = open();
    await checking.replay(tokens(20), tokens(4, 5), 2);
    await checking.release();
    assert.deepEqual(lanes.calls, [8, 8, 4, 3]);
    const session = open();
    await run(session, tokens(20, 0));
    assert.equal(session.savings?.reused, 16);
  });

  it('changes no bit of any sequence of jobs, side by side or one after another', async () => {
    const job = fc.record({
      owner: fc.constantFrom('alice', 'bob', null),
      // Prompts that share beginnings of every length.
      parts: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 7 }),
      answer: fc.integer({ min: 1, max: 3 }),
      isBeside: fc.boolean(),
    });
    const init = fc.record({ lanes: fc.integer({ min: 2, max: 4 }), maxKept: fc.integer({ min: 0, max: 4 }) });
    const property = fc.asyncProperty(init, fc.array(job, { minLength: 1, maxLength: 8 }), async (given, jobs) => {
      const { open } = machine(given);
      let beside: Promise<unknown> = Promise.resolve();
      for (const { owner, parts, answer, isBeside } of jobs) {
        const prompt = parts.flatMap((part) => tokens(5, part));
        const check = async (): Promise<void> =>
          assert.deepEqual(await run(open({ owner }), prompt, answer), await fresh(prompt, answer));
        // Two at a time: there has to be a lane for each.
        await beside;
        beside = Promise.resolve();
        if (isBeside) beside = check();
        else await check();
      }
      await beside;
    });
    await fc.assert(property, { numRuns: 150, seed: 42 });
  });
});
