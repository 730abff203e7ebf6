import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { QvacError } from '../../src/errors.ts';
import type { AllowedTokens, Engine, EngineInit, PrefillOptions, Savings } from '../../src/model/engine.ts';
import { openEngine } from '../../src/model/llama.ts';
import { internalsOfSequence, type NativeInternals } from '../../src/model/run/native/internals.ts';
import { createLanes } from '../../src/model/run/native/lanes.ts';
import type { NativeSequence } from '../../src/model/run/native/public-evaluate.ts';
import type { TopLogits } from '../../src/proofs/logits.ts';
import { type TestModel, testCacheDir, testModel, tinyModel, writeTestModel } from '../support/models.ts';

let cacheDir = '';
before(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'qvac-engine-'));
});
after(() => rm(cacheDir, { recursive: true }));

function open(model: Pick<TestModel, 'path' | 'id'>, init: Partial<EngineInit> = {}): Promise<Engine> {
  return openEngine({ modelPath: model.path, modelId: model.id, cacheDir, threads: 1, context: 512, ...init });
}

async function withEngine(
  model: TestModel,
  init: Partial<EngineInit>,
  work: (engine: Engine) => Promise<void>,
): Promise<void> {
  const engine = await open(model, init);
  try {
    await work(engine);
  } finally {
    await engine.dispose();
  }
}

/** Two whole blocks of 63. */
const prompt = Array.from({ length: 126 }, (_, at) => (at * 31 + 5) % 500);

/** Logits by id, comparable bit by bit. */
function bitsOf({ ids, logits }: TopLogits): string {
  return [...ids.keys()]
    .map((at) => `${ids[at]}:${Buffer.from(Float32Array.of(logits[at] ?? 0).buffer).toString('hex')}`)
    .sort()
    .join(' ');
}

/** The best token at each of `count` steps. */
async function answerOf(
  engine: Engine,
  count: number,
  options: PrefillOptions = {},
): Promise<{ readonly tokens: number[]; readonly tops: TopLogits[]; readonly savings: Savings | undefined }> {
  const session = await engine.open();
  try {
    const tops = [await session.prefill(prompt, 20, options)];
    const tokens: number[] = [];
    while (tokens.length < count) {
      const token = tops.at(-1)?.ids[0] ?? 0;
      tokens.push(token);
      if (tokens.length < count) tops.push(await session.decode(token, 20));
    }
    return { tokens, tops, savings: session.savings };
  } finally {
    await session.release();
  }
}

describe('the engine', () => {
  it('declares its class truthfully', async () => {
    await withEngine(await tinyModel(), { slots: 2, batch: 32 }, async (engine) => {
      const { engine: release, backend, kernels, ...rest } = engine.exec;
      assert.match(release, /^llama\.cpp \S+$/);
      assert.ok(kernels.length > 10 && !kernels.includes('\n'));
      assert.equal(backend, engine.device.backend);
      assert.deepEqual(rest, {
        threads: 1,
        batch: 32,
        promptBatch: 128,
        flash: true,
        kv: 'f16',
        gpuLayers: backend === 'cpu' ? 0 : rest.gpuLayers,
        sequences: 2,
      });
      assert.ok(engine.device.memory > 0 && engine.device.device !== '');
    });
  });

  it('computes without flash attention, or with a coarse KV cache, if asked: other bits in each case', async () => {
    const firstOf = async (init: Partial<EngineInit>): Promise<string> => {
      const engine = await open(await tinyModel(), init);
      try {
        const declared = (await answerOf(engine, 1)).tops.map(bitsOf).join();
        assert.deepEqual([engine.exec.flash, engine.exec.kv], [init.flash ?? true, 'f16']);
        return declared;
      } finally {
        await engine.dispose();
      }
    };
    const bits = [await firstOf({}), await firstOf({ flash: false }), await firstOf({ coarseKv: true })];
    assert.equal(new Set(bits).size, 3);
  });

  it('lets more jobs wait side by side than may share a call', async () => {
    const engine = await open(await tinyModel(), { slots: { upTo: 2 }, sequences: 1 });
    try {
      assert.deepEqual([engine.slots.total, engine.exec.sequences], [2, 1]);
      const alone = await answerOf(engine, 2);
      const both = await Promise.all([answerOf(engine, 2), answerOf(engine, 2)]);
      for (const { tokens, tops } of both)
        assert.deepEqual([tokens, tops.map(bitsOf)], [alone.tokens, alone.tops.map(bitsOf)]);
    } finally {
      await engine.dispose();
    }
  });

  it('gives the same bits again, and at least as many candidates as asked for', async () => {
    await withEngine(await tinyModel(), {}, async (engine) => {
      const [first, again] = [await answerOf(engine, 12), await answerOf(engine, 12)];
      assert.deepEqual(first.tops.map(bitsOf), again.tops.map(bitsOf));
      for (const { ids, logits } of first.tops)
        assert.ok(ids.length >= 20 && new Set(ids).size === ids.length && logits.length === ids.length);
    });
  });

  it('gives the best of the whole vocabulary', async () => {
    await withEngine(await tinyModel(), {}, async (engine) => {
      const session = await engine.open();
      const all = await session.prefill(prompt, 512);
      await session.release();
      const few = await engine.open().then(async (other) => {
        const top = await other.prefill(prompt, 5);
        await other.release();
        return top;
      });
      assert.equal(all.ids.length, 512);
      const best = [...all.ids.keys()].sort((a, b) => (all.logits[b] ?? 0) - (all.logits[a] ?? 0)).slice(0, 5);
      assert.deepEqual(new Set(few.ids), new Set(best.map((at) => all.ids[at])));
    });
  });

  it('replays an answer with one row of logits per token', async () => {
    await withEngine(await tinyModel(), {}, async (engine) => {
      const { tokens, tops } = await answerOf(engine, 80);
      const session = await engine.open();
      const replayed = await session.replay(prompt, tokens, 20);
      assert.deepEqual(await session.replay(prompt, [], 20), []);
      await session.release();
      assert.equal(replayed.length, 80);
      // Whether the other rows have equal bits is this machine's affair; the first follows the same blocks.
      assert.equal(bitsOf(replayed[0] ?? assert.fail()), bitsOf(tops[0] ?? assert.fail()));
    });
  });

  it('puts the prompt into blocks of its own size, whatever stands behind it', async () => {
    await withEngine(await tinyModel(), { promptBatch: 100, context: 1024 }, async (engine) => {
      assert.equal(engine.exec.promptBatch, 100);
      const whole = await engine.open();
      const long = Array.from({ length: 500 }, (_, at) => (at * 31 + 5) % 500);
      const top = await whole.prefill(long, 20);
      await whole.release();
      assert.ok(top.ids.length >= 20);
      await assert.rejects(engine.open({ exec: { ...engine.exec, promptBatch: 256 } }), { code: 'E_ENGINE' });
    });
  });

  it('goes on behind a continuation as if it had written it', async () => {
    await withEngine(await testModel('q8_0'), { context: 1024 }, async (engine) => {
      const { tokens, tops } = await answerOf(engine, 30);
      for (const known of [1, 20]) {
        const session = await engine.open();
        const after = [await session.prefill(prompt, 20, { continuation: tokens.slice(0, known) })];
        for (const token of tokens.slice(known, -1)) after.push(await session.decode(token, 20));
        await session.release();
        assert.deepEqual(after.map(bitsOf), tops.slice(known).map(bitsOf), `behind ${known} tokens`);
      }
    });
  });

  it('puts a continuation in block by block once the self-test found that these give the same bits', async () => {
    await withEngine(await testModel('q8_0'), { context: 1024, cacheDir: testCacheDir }, async (engine) => {
      const { sameBits } = await engine.runSelfTest();
      const { tokens, tops } = await answerOf(engine, 72);
      const session = await engine.open();
      const top = await session.prefill(prompt, 20, { continuation: tokens.slice(0, 70) });
      const replayed = await session.replay(prompt, tokens, 20, { schedule: sameBits.at(-1) });
      await session.release();
      assert.equal(bitsOf(top), bitsOf(tops[70] ?? assert.fail()));
      assert.deepEqual(replayed.map(bitsOf), tops.map(bitsOf));
      // The best token at each step repeats itself sooner or later, so guesses come true.
      const guessing = await answerOf(engine, 72, { guesses: true });
      assert.deepEqual(guessing.tops.map(bitsOf), tops.map(bitsOf));
      assert.ok(!sameBits.includes('prefill') || (guessing.savings?.accepted ?? 0) > 0);
    });
  });

  it('replays one token per call with the bits of the provider', async () => {
    await withEngine(await tinyModel(), {}, async (engine) => {
      const { tokens, tops } = await answerOf(engine, 30);
      const session = await engine.open();
      const replayed = await session.replay(prompt, tokens, 20, { schedule: 'alone' });
      await session.release();
      assert.deepEqual(replayed.map(bitsOf), tops.map(bitsOf));
    });
  });

  it('gives up to 40 logits for a score', async () => {
    await withEngine(await tinyModel(), {}, async (engine) => {
      const { tokens, tops } = await answerOf(engine, 8);
      const session = await engine.open();
      const scored = await session.replay(prompt, tokens, 40, { schedule: 'alone' });
      await session.release();
      for (const [at, { ids }] of scored.entries()) {
        assert.ok(ids.length >= 40);
        for (const id of tops[at]?.ids ?? assert.fail()) assert.ok(ids.includes(id));
      }
    });
  });

  it('lets sessions side by side finish, each with its own answer', async () => {
    await withEngine(await tinyModel(), { slots: 3 }, async (engine) => {
      const alone = await answerOf(engine, 10);
      const together = await Promise.all([answerOf(engine, 10), answerOf(engine, 10), answerOf(engine, 10)]);
      for (const { tokens } of together) assert.equal(tokens.length, alone.tokens.length);
      assert.equal(engine.slots.used, 0);
    });
  });

  it('scores beside an answer, with the bits of both as if each were alone', async () => {
    for (const threads of [1, 2]) {
      await withEngine(await tinyModel(), { scoreSlots: 1, threads }, async (engine) => {
        const alone = await answerOf(engine, 24);
        const score = async (): Promise<readonly TopLogits[]> => {
          const session = await engine.open({ isScore: true });
          const tops = await session.replay(prompt, alone.tokens, 40, { schedule: 'alone' });
          await session.release();
          return tops;
        };
        const [{ tops, tokens }, scored] = await Promise.all([answerOf(engine, 24), score()]);
        assert.deepEqual([tokens, tops.map(bitsOf)], [alone.tokens, alone.tops.map(bitsOf)]);
        assert.deepEqual((await score()).map(bitsOf), scored.map(bitsOf));
        for (const [at, { ids, logits }] of scored.entries()) {
          const top = alone.tops[at] ?? assert.fail();
          for (const [index, id] of top.ids.entries())
            assert.equal(logits[ids.indexOf(id)], top.logits[index], `step ${at}, token ${id}`);
        }
        assert.deepEqual([engine.slots.used, engine.scoreSlots.used, engine.exec.sequences], [0, 0, 1]);
      });
    }
  });

  it('takes no score without a slot for it', async () => {
    await withEngine(await tinyModel(), {}, async (engine) => {
      await assert.rejects(engine.open({ isScore: true }), { code: 'E_ENGINE' });
    });
  });

  it('goes on from kept prompts with equal bits, in their lane or in a copy, and for their client alone', async () => {
    const init = { slots: 2, keepPrompts: 3, context: 1024 } as const;
    const long = Array.from({ length: 600 }, (_, at) => (at * 31 + 5) % 500);
    const prompts = {
      first: long,
      followUp: [...long, ...Array.from({ length: 70 }, (_, at) => (at * 7) % 500)],
      branch: [...long.slice(0, 260), ...Array.from({ length: 150 }, (_, at) => (at * 11) % 500)],
      afterBranch: [...long, 1, 2, 3],
    };
    const run = async (engine: Engine, prompt: readonly number[], owner?: string) => {
      const session = await engine.open({ owner });
      const bits = [bitsOf(await session.prefill(prompt, 20))];
      for (let token = 40; token < 43; token++) bits.push(bitsOf(await session.decode(token, 20)));
      await session.release();
      return { bits, reused: session.savings?.reused };
    };
    await withEngine(await tinyModel(), init, async (keeping) => {
      assert.equal(keeping.keepsPrompts, true);
      await withEngine(await tinyModel(), { context: 1024 }, async (plain) => {
        assert.equal(plain.keepsPrompts, false);
        const expected = {
          first: 0,
          followUp: 512,
          // Two blocks are shared: a copy, so that the longer prompt stays.
          branch: 256,
          afterBranch: 512,
        };
        for (const [name, prompt] of Object.entries(prompts)) {
          const { bits, reused } = await run(keeping, prompt, 'alice');
          assert.deepEqual(bits, (await run(plain, prompt, 'alice')).bits, name);
          assert.equal(reused, expected[name as keyof typeof expected], name);
        }
        const { bits, reused } = await run(keeping, prompts.followUp, 'bob');
        assert.deepEqual([bits, reused], [(await run(plain, prompts.followUp)).bits, 0]);
      });
    });
  });

  it('has a line, and is busy where that is full', async () => {
    await withEngine(await tinyModel(), { queue: 1 }, async (engine) => {
      const session = await engine.open();
      const waiting = engine.open();
      await assert.rejects(engine.open(), { code: 'E_BUSY' });
      assert.deepEqual([engine.slots.total, engine.slots.used, engine.slots.waiting], [1, 1, 1]);
      await session.release();
      await session.release();
      const next = await waiting;
      await assert.rejects(session.decode(1, 20), { code: 'E_BUG' });
      await next.release();
      assert.deepEqual([engine.slots.used, engine.slots.waiting], [0, 0]);
    });
  });

  it('stops between two calls where the signal aborts, and is whole afterwards', async () => {
    await withEngine(await testModel('q4_1'), { context: 2048 }, async (engine) => {
      const session = await engine.open();
      const stop = new AbortController();
      const long = session.prefill(
        Array.from({ length: 1900 }, (_, at) => at),
        20,
        { signal: stop.signal },
      );
      setImmediate(() => stop.abort(new Error('no longer wanted')));
      await assert.rejects(long, /no longer wanted/);
      await assert.rejects(session.decode(5, 20, { signal: stop.signal }), /no longer wanted/);
      const top = await session.prefill([1, 9690], 20);
      assert.ok(top.ids.length >= 20);
      await session.release();
      assert.equal(engine.slots.used, 0);
    });
  });

  it('refuses what exceeds the context', async () => {
    await withEngine(await tinyModel(), { context: 256 }, async (engine) => {
      assert.equal(engine.facts.context, 256);
      const session = await engine.open();
      const tokens = Array.from({ length: 257 }, () => 5);
      await assert.rejects(session.prefill(tokens, 20), { code: 'E_CONTEXT' });
      await assert.rejects(session.replay(tokens.slice(0, 200), tokens.slice(0, 57), 20), { code: 'E_CONTEXT' });
      await session.prefill(tokens.slice(0, 254), 20);
      // With the token drawn from here on the context is full.
      await session.decode(5, 20);
      await assert.rejects(session.decode(5, 20), { code: 'E_CONTEXT' });
      await assert.rejects(session.prefill([], 20), { code: 'E_BAD_INPUT' });
      await session.release();
    });
  });

  it('gives every id that ties with the last of the best', async () => {
    const flat = await writeTestModel('tiny-flat', {
      change: (name, weights) => (name === 'output.weight' ? weights.fill(0) : weights),
    });
    await withEngine(flat, {}, async (engine) => {
      const session = await engine.open();
      const top = await session.prefill([1, 2, 3], 20);
      const next = await session.decode(4, 20);
      const rows = await session.replay([1, 2], [3, 4, 5], 20);
      await session.release();
      for (const { ids, logits } of [top, next, ...rows]) {
        assert.deepEqual(
          [...ids].sort((a, b) => a - b),
          Array.from({ length: 512 }, (_, id) => id),
        );
        assert.ok(logits.every((logit) => logit === 0));
      }
    });
  });

  it('ends a job whose logits are no numbers', async () => {
    const broken = await writeTestModel('tiny-nan', {
      change: (name, weights) => (name === 'output_norm.weight' ? weights.fill(Number.NaN) : weights),
    });
    await withEngine(broken, {}, async (engine) => {
      const session = await engine.open();
      await assert.rejects(session.prefill([1, 2, 3], 20), { code: 'E_ENGINE', message: /not a number/ });
      await session.release();
      assert.equal(engine.slots.used, 0);
    });
  });

  it('puts idle weights down and takes them up again', async () => {
    await withEngine(await tinyModel(), { idleUnloadMs: 1 }, async (engine) => {
      const first = await answerOf(engine, 3);
      for (let at = 0; at < 3; at++) {
        await new Promise((resume) => setTimeout(resume, 15));
        assert.deepEqual((await answerOf(engine, 3)).tokens, first.tokens);
      }
    });
  });

  it('shuts down under running and waiting jobs', async () => {
    const engine = await open(await tinyModel());
    const session = await engine.open();
    const waiting = assert.rejects(engine.open(), { code: 'E_ENGINE' });
    const running = session
      .prefill(prompt, 20)
      .then(() => session.decode(1, 20))
      .catch((error: unknown) => error);
    const disposing = engine.dispose();
    await waiting;
    assert.ok((await running) instanceof QvacError);
    await session.release();
    await disposing;
    await assert.rejects(engine.open(), { code: 'E_ENGINE' });
    await engine.dispose();
  });

  it('measures a speed', async () => {
    await withEngine(await tinyModel(), {}, async (engine) => {
      const [first, again] = await Promise.all([engine.measureSpeed(), engine.measureSpeed()]);
      assert.ok(first > 0 && first === again);
    });
  });
});

describe('logits of allowed tokens', () => {
  /** Those ids alone, asked as a grammar is. */
  function only(ids: readonly number[]): AllowedTokens {
    return { allows: (token) => ids.includes(token), allowedUpTo: (most) => ids.slice(0, most) };
  }

  const vocab = 512;
  const all = Array.from({ length: vocab }, (_, id) => id);
  const sets: Readonly<Record<string, readonly number[]>> = {
    all,
    'every third': all.filter((id) => id % 3 === 0),
    'all but ten': all.filter((id) => id > 9),
    thirty: all.filter((id) => id % 17 === 1),
    seven: [3, 77, 150, 222, 300, 411, 511],
    one: [508],
    none: [],
  };

  /** The best of the whole vocabulary that are allowed. */
  function expected({ ids, logits }: TopLogits, allowed: readonly number[], topK: number): string {
    const order = [...ids.keys()]
      .filter((at) => allowed.includes(ids[at] ?? -1))
      .sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0))
      .slice(0, topK);
    return bitsOf({
      ids: Uint32Array.from(order, (at) => ids[at] ?? 0),
      logits: Float32Array.from(order, (at) => logits[at] ?? 0),
    });
  }

  it('are the best of those that are allowed, at every step, with the bits that they have without it', async () => {
    await withEngine(await tinyModel(), {}, async (engine) => {
      const session = await engine.open();
      const tokens = [5, 17, 200, 9];
      const whole = await session.replay(prompt, tokens, vocab, { schedule: 'alone' });
      for (const [name, allowed] of Object.entries(sets)) {
        const options = { allowed: only(allowed) };
        const steps = [await session.prefill(prompt, 20, options)];
        for (const token of tokens.slice(0, -1)) steps.push(await session.decode(token, 20, options));
        assert.deepEqual(
          steps.map(bitsOf),
          whole.map((top) => expected(top, allowed, 20)),
          name,
        );
      }
      await session.release();
    });
  });

  it('follow what is allowed at each step of a replay', async () => {
    await withEngine(await tinyModel(), {}, async (engine) => {
      const session = await engine.open();
      const answer = Array.from({ length: 70 }, (_, at) => (at * 13 + 1) % vocab);
      const whole = await session.replay(prompt, answer, vocab);
      const lists = Object.values(sets);
      const allowedAt = (step: number): readonly number[] => lists[step % lists.length] ?? all;
      const asked: number[] = [];
      const restricted = await session.replay(prompt, answer, 20, {
        allowedAt(step) {
          asked.push(step);
          return step % 5 === 4 ? null : only(allowedAt(step));
        },
      });
      assert.deepEqual(
        asked,
        answer.map((_, step) => step),
      );
      await session.release();
      assert.deepEqual(
        restricted.map(bitsOf),
        whole.map((top, step) => expected(top, step % 5 === 4 ? all : allowedAt(step), 20)),
      );
    });
  });

  it('leave the history whole where the grammar gives up', async () => {
    await withEngine(await tinyModel(), {}, async (engine) => {
      const expectedTop = (await answerOf(engine, 1)).tops.map(bitsOf);
      const session = await engine.open();
      const allowed: AllowedTokens = {
        allows() {
          throw new Error('too costly');
        },
        allowedUpTo: () => all,
      };
      await assert.rejects(session.prefill(prompt, 20, { allowed }), /too costly/);
      assert.deepEqual([bitsOf(await session.prefill(prompt, 20))], expectedTop);
      await assert.rejects(session.decode(5, 20, { allowed }), /too costly/);
      await session.release();
      assert.deepEqual((await answerOf(engine, 1)).tops.map(bitsOf), expectedTop);
    });
  });

  it("are the same through the library's public interface alone, which a release without the internals leaves", async () => {
    const model = await tinyModel();
    const { getLlama } = await import('node-llama-cpp');
    const llama = await getLlama({ gpu: false, build: 'never', progressLogs: false, logger: () => undefined });
    const loaded = await llama.loadModel({ modelPath: model.path });
    try {
      const context = await loaded.createContext({ contextSize: 256, batchSize: 63, threads: 1, flashAttention: true });
      const sequence = context.getSequence() as NativeSequence;
      const internals = internalsOfSequence(sequence);
      assert.ok(internals !== null, 'this release has the internals');
      assert.equal(internalsOfSequence({ nextTokenIndex: 0 }), null);
      const found: string[][] = [];
      /** Of a release that reads something else. */
      const unfaithful: NativeInternals = { ...internals, sample: async () => [1, 0.5, 2, 0.25] };
      const broken: NativeInternals = { ...internals, sample: () => Promise.reject(new Error('no such method')) };
      for (const internalsOf of [() => internals, () => null, () => unfaithful, () => broken]) {
        const lanes = createLanes({ sequences: [sequence], vocab, internalsOf, dispose: () => Promise.resolve() });
        await lanes.erase(0, 0);
        const tokens = Array.from({ length: 14 }, (_, at) => at + 3);
        const allowedAt = (at: number): AllowedTokens => only(Object.values(sets)[at % 7] ?? all);
        const [tops = []] = await lanes.evaluate([{ lane: 0, tokens, logitsFrom: 0, allowedAt }], 20);
        const [unrestricted = []] = await lanes.evaluate([{ lane: 0, tokens, logitsFrom: 0 }], 20);
        found.push([...tops, ...unrestricted].map(bitsOf));
        await lanes.dispose();
      }
      for (const others of found.slice(1)) assert.deepEqual(others, found[0]);
      assert.equal(found[0]?.length, 28);
    } finally {
      await loaded.dispose();
    }
  });
});

describe('a model file that cannot be used', () => {
  async function openBytes(bytes: Uint8Array): Promise<Engine> {
    const path = join(cacheDir, 'bad.gguf');
    await writeFile(path, bytes);
    return await open({ path, id: 'bad' as TestModel['id'] });
  }

  it('costs one clear line and no process', async () => {
    const whole = await readFile((await tinyModel()).path);
    const unknown = Buffer.from(whole);
    unknown.write('qwenX', whole.indexOf('qwen3'));
    const files: Record<string, Uint8Array> = {
      empty: Buffer.alloc(0),
      text: Buffer.from('hello world\n'.repeat(1000)),
      random: Buffer.from(Array.from({ length: 10_000 }, (_, at) => (at * 7919) % 251)),
      half: whole.subarray(0, whole.length / 2),
      'no weights': whole.subarray(0, 40_000),
      'another architecture': unknown,
    };
    for (const [name, bytes] of Object.entries(files)) {
      await assert.rejects(
        openBytes(bytes),
        (error) => error instanceof QvacError && error.code === 'E_MODEL' && !error.message.includes('\n'),
        name,
      );
    }
  });
});

describe('the native library', () => {
  it('says nothing on stdout or stderr, and lets the process end by itself', async () => {
    const model = await tinyModel();
    const script = `
      import { openEngine } from ${JSON.stringify(new URL('../../src/model/llama.ts', import.meta.url).href)};
      const engine = await openEngine({ modelPath: ${JSON.stringify(model.path)}, modelId: 'x', cacheDir: ${JSON.stringify(cacheDir)}, threads: 1, context: 256, idleUnloadMs: 3600000 });
      const session = await engine.open();
      await session.prefill([1, 2, 3], 20);
      await session.release();
      await openEngine({ modelPath: '/dev/null', modelId: 'x', cacheDir: '/', threads: 1 }).catch((error) => process.stdout.write(error.code));
      await engine.dispose();
    `;
    const file = join(cacheDir, 'quiet.ts');
    await writeFile(file, script);
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], { timeout: 120_000 });
    assert.equal(stdout, 'E_MODEL');
    assert.equal(stderr, '');
  });
});
