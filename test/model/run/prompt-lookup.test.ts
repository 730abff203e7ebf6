import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EngineSession } from '../../../src/model/engine.ts';
import { createLanePool } from '../../../src/model/run/lane-pool.ts';
import { createPromptLookup } from '../../../src/model/run/prompt-lookup.ts';
import { createRounds } from '../../../src/model/run/rounds.ts';
import { createSession } from '../../../src/model/run/session.ts';
import type { TopLogits } from '../../../src/proofs/logits.ts';
import type { Exec } from '../../../src/protocol/messages.ts';
import { createHistoryLanes, type HistoryLanes } from '../../support/history-lanes.ts';

const exec: Exec = {
  engine: 'llama.cpp x',
  backend: 'cpu',
  kernels: 'k',
  threads: 1,
  batch: 16,
  promptBatch: 32,
  flash: true,
  kv: 'f16',
  gpuLayers: 0,
  sequences: 1,
};

/** A session over lanes in which calls of up to `batch` tokens have the bits of one token per call. */
function open({ context = 512, blocksAreExact = true } = {}): {
  readonly lanes: HistoryLanes;
  readonly session: EngineSession;
} {
  const lanes = createHistoryLanes({ lanes: 1, context, exactUpTo: blocksAreExact ? exec.batch : 1 });
  const session = createSession({
    lanes,
    rounds: createRounds(lanes),
    pool: createLanePool(lanes, { lanes: 1, maxKept: 1 }),
    owner: 'alice',
    exec,
    companions: false,
    blocksAreExact,
    isAnswerKeepable: false,
    context,
    shutdown: new AbortController().signal,
    onRelease: () => Promise.resolve(),
  });
  return { lanes, session };
}

const bitsOf = ({ ids, logits }: TopLogits): string => `${ids.join()}:${logits.join()}`;

/** The bits of every step of an answer of these tokens. */
async function run(session: EngineSession, prompt: readonly number[], answer: readonly number[], guesses: boolean) {
  const bits = [bitsOf(await session.prefill(prompt, 2, { guesses }))];
  for (const token of answer) bits.push(bitsOf(await session.decode(token, 2)));
  return bits;
}

const count = (length: number, from = 0): number[] => Array.from({ length }, (_, at) => from + at);

describe('prompt lookup', () => {
  it('guesses what followed the last three tokens before, and more while it is right', () => {
    const lookup = createPromptLookup(count(40));
    for (const token of [5, 6]) lookup.add(token);
    assert.deepEqual(lookup.guess(10), []);
    lookup.add(7);
    assert.deepEqual(lookup.guess(10), [8, 9, 10, 11]);
    lookup.judge(4);
    for (const token of [8, 9, 10, 11]) lookup.add(token);
    assert.deepEqual(lookup.guess(10), count(8, 12));
    assert.deepEqual(lookup.guess(3), [12, 13, 14]);
    assert.deepEqual([lookup.guessed, lookup.accepted], [15, 4]);
  });

  it('takes the last of several occurrences', () => {
    const lookup = createPromptLookup([1, 2, 3, 50, 1, 2, 3, 60, 1, 2, 3]);
    assert.deepEqual(lookup.guess(1), [60]);
  });

  it('pauses longer and longer while its guesses are wrong', () => {
    const lookup = createPromptLookup([1, 2, 3, 4, 1, 2, 3]);
    const pauses = [];
    for (let round = 0; round < 7; round++) {
      let pause = 0;
      while (lookup.guess(4).length === 0) pause++;
      pauses.push(pause);
      lookup.judge(0);
    }
    assert.deepEqual(pauses, [0, 2, 4, 8, 16, 32, 32]);
  });

  it('computes a repeated text in few calls, with equal bits', async () => {
    const prompt = count(60);
    const answer = count(50, 5);
    const { lanes, session } = open();
    const bits = await run(session, prompt, answer, true);
    assert.deepEqual(bits, await run(open().session, prompt, answer, false));
    const calls = lanes.calls.slice(2);
    assert.ok(calls.length <= 10, `${calls.length} calls`);
    assert.ok(Math.max(...calls) <= exec.batch);
    assert.equal(session.savings?.accepted, 50 - calls.length);
  });

  it('guesses nothing unless asked, or where blocks do not have the bits of one token per call', async () => {
    for (const [init, guesses] of [
      [{}, false],
      [{ blocksAreExact: false }, true],
    ] as const) {
      const { lanes, session } = open(init);
      await run(session, count(60), count(20, 5), guesses);
      assert.deepEqual(lanes.calls.slice(2), Array(20).fill(1));
      assert.deepEqual([session.savings?.guessed, session.savings?.accepted], [0, 0]);
    }
  });

  it('stays within the context, and leaves no wrong guess in a kept prompt', async () => {
    const { lanes, session } = open({ context: 80 });
    await run(session, count(60), count(19, 5), true);
    await assert.rejects(session.decode(1, 2), { code: 'E_CONTEXT' });
    await session.release();
    assert.deepEqual(lanes.tokensOf(0), count(32));
  });

  it('changes no bit of any answer', async () => {
    // Few different tokens, so that runs of three occur again, and go on otherwise.
    const tokens = (most: number) => fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: most });
    const property = fc.asyncProperty(tokens(40), tokens(60), async (prompt, answer) => {
      const { session } = open();
      assert.deepEqual(await run(session, prompt, answer, true), await run(open().session, prompt, answer, false));
    });
    await fc.assert(property, { numRuns: 100, seed: 7 });
  });
});
