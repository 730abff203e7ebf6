import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { EngineInit, SelfTestResult } from '../../../src/model/engine.ts';
import { openEngine } from '../../../src/model/llama.ts';
import { type SelfTestComponents, testClass, testOwnClass } from '../../../src/model/run/self-test.ts';
import type { LaneCall, Lanes, LanesInit, Weights } from '../../../src/model/run/weights.ts';
import type { TopLogits } from '../../../src/proofs/logits.ts';
import type { Exec } from '../../../src/protocol/messages.ts';
import { chat } from '../../support/models/inputs.ts';
import { type TestModel, testCacheDir, testModel, tinyModel } from '../../support/models.ts';

/** How a machine's bits depend on its calls. */
interface Machine {
  /** Calls of more tokens of one lane take another kernel; the same for all such calls. */
  readonly exactUpTo?: number;
  /** A lone token beyond so much history is split between the threads. */
  readonly splitsFrom?: number;
  /** Neighbours change the bits. */
  readonly disturbed?: boolean;
  /** Threads change the bits whatever is in the call. */
  readonly threadsMatter?: boolean;
  /** A history keeps its last token: no companion can leave it again. @default true */
  readonly isLastErasable?: boolean;
}

interface Fake extends Weights {
  readonly contexts: LanesInit[];
  /** Sizes of the largest parts of calls. */
  readonly blocks: Set<number>;
  tokens: number;
}

/** Weights whose logits are a digest of the history and of what `machine` lets through of the way it was computed. */
function fakeWeights(machine: Machine): Fake {
  const fake: Fake = {
    contexts: [],
    blocks: new Set(),
    tokens: 0,
    gpuLayers: 0,
    flash: true,
    isCuttable: true,
    isLastErasable: machine.isLastErasable !== false,
    tokenize: () => [],
    isStop: () => false,
    dispose: () => Promise.resolve(),
    openPool: () => Promise.reject(new Error('not here')),
    openLanes(init) {
      fake.contexts.push(init);
      return Promise.resolve(fakeLanes(machine, init, fake));
    },
  };
  return fake;
}

function fakeLanes(machine: Machine, { lanes: count, threads, batch, context }: LanesInit, fake: Fake): Lanes {
  const histories: number[][] = Array.from({ length: count }, () => []);
  function evaluateOne(call: LaneCall, round: readonly LaneCall[]): TopLogits[] {
    const history = histories[call.lane] ?? assert.fail();
    const start = history.length;
    const isBeside = ({ lane }: LaneCall): boolean => Math.abs(lane - call.lane) === 1;
    const alone = call.tokens.length === 1 && call.companion !== true && !round.some(isBeside);
    const variant = [
      call.tokens.length > (machine.exactUpTo ?? Infinity) ? 'block' : '',
      (alone && threads > 1 && start >= (machine.splitsFrom ?? Infinity)) || machine.threadsMatter === true
        ? `threads ${threads}`
        : '',
      machine.disturbed === true && round.length > 1 ? 'disturbed' : '',
    ].join();
    const code = [...variant].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 9973, 1);
    return call.tokens.flatMap((token, at) => {
      history.push(token * 10_007 + code);
      const digest = history.reduce((sum, entry) => (Math.imul(sum, 31) + entry) >>> 0, 7);
      return at < call.logitsFrom ? [] : [{ ids: Uint32Array.of(1, 2), logits: Float32Array.of(digest % 1e6, 1) }];
    });
  }
  return {
    evaluate(round) {
      const total = round.reduce((sum, { tokens }) => sum + tokens.length, 0);
      fake.tokens += total;
      assert.ok(total <= Math.max(batch, count), 'a call holds at most the batch');
      fake.blocks.add(Math.max(...round.map(({ tokens }) => tokens.length)));
      const results = round.map((call) => evaluateOne(call, round));
      assert.ok(
        histories.every(({ length }) => length < context),
        'the context is not exceeded',
      );
      return Promise.resolve(results);
    },
    length: (lane) => histories[lane]?.length ?? 0,
    erase(lane, from) {
      histories[lane]?.splice(from);
      return Promise.resolve();
    },
    copy(from, to, length) {
      histories[to] = histories[from]?.slice(0, length) ?? [];
      return Promise.resolve(true);
    },
    dispose: () => Promise.resolve(),
  };
}

const exec: Exec = {
  engine: 'llama.cpp x',
  backend: 'cpu',
  kernels: 'k',
  threads: 1,
  batch: 63,
  promptBatch: 128,
  flash: true,
  kv: 'f16',
  gpuLayers: 0,
  sequences: 1,
};

function partsOf(machine: Machine, threads: number): SelfTestComponents & { readonly weights: Fake } {
  return { weights: fakeWeights(machine), vocab: 500, threads, companions: threads > 1, cores: 4 };
}

async function own(
  machine: Machine,
  options: { readonly threads?: number; readonly sequences?: number; readonly fixed?: boolean } = {},
): Promise<Pick<Exec, 'threads' | 'batch'> & Pick<SelfTestResult, 'sameBits'>> {
  const { threads = 1, sequences = 1 } = options;
  const result = await testOwnClass(partsOf(machine, threads), { ...exec, threads, sequences }, options.fixed !== true);
  return { threads: result.exec.threads, batch: result.exec.batch, sameBits: result.sameBits };
}

describe('the self-test on machines of every kind', () => {
  it('finds one thread exact in whole blocks', async () => {
    assert.deepEqual(await own({}), { threads: 1, batch: 63, sameBits: ['alone', 'prefill'] });
  });

  it('uses a history of more than 512 tokens', async () => {
    const parts = partsOf({ splitsFrom: 513 }, 2);
    // A lone token beyond 512 differs by threads: the companion saves it.
    assert.deepEqual((await testOwnClass(parts, { ...exec, threads: 2 }, true)).exec.threads, 0);
    assert.equal(await testClass(partsOf({ threadsMatter: true }, 2), { ...exec, threads: 0 }), null);
    assert.ok(parts.weights.contexts.every(({ context }) => context > 513));
  });

  it('declares the true number of threads where even a companion does not help', async () => {
    assert.deepEqual(await own({ threadsMatter: true }, { threads: 3 }), {
      threads: 3,
      batch: 63,
      sameBits: ['alone', 'prefill'],
    });
  });

  it('declares the true number of threads where no companion can leave the history again', async () => {
    const machine = { splitsFrom: 300, isLastErasable: false };
    assert.equal((await own(machine, { threads: 3 })).threads, 3);
    assert.equal(await testClass(partsOf(machine, 3), { ...exec, threads: 0 }), null);
    // Lone tokens and those with neighbours differ then: no session shares a call.
    const { exec: found } = await testOwnClass(partsOf(machine, 3), { ...exec, threads: 3, sequences: 4 }, true);
    assert.equal(found.sequences, 1);
  });

  it('looks for a smaller batch where the usual one is not exact', async () => {
    assert.deepEqual(await own({ exactUpTo: 40 }), { threads: 1, batch: 32, sameBits: ['alone', 'prefill'] });
    assert.deepEqual(await own({ exactUpTo: 40 }, { threads: 4 }), {
      threads: 0,
      batch: 32,
      sameBits: ['alone', 'prefill'],
    });
    assert.deepEqual(await own({ exactUpTo: 3 }), { threads: 1, batch: 63, sameBits: ['alone'] });
  });

  it('keeps a batch that somebody asked for', async () => {
    assert.deepEqual(await own({ exactUpTo: 40 }, { fixed: true }), { threads: 1, batch: 63, sameBits: ['alone'] });
  });

  it('tests busy neighbours where several sessions share a call', async () => {
    assert.deepEqual(await own({}, { sequences: 4 }), { threads: 1, batch: 63, sameBits: ['alone', 'prefill'] });
    assert.deepEqual(await own({ disturbed: true }), { threads: 1, batch: 63, sameBits: ['alone', 'prefill'] });
  });

  it('puts each session into calls of its own where neighbours change the bits', async () => {
    const { exec: found, sameBits } = await testOwnClass(
      partsOf({ disturbed: true }, 1),
      { ...exec, sequences: 4 },
      true,
    );
    assert.deepEqual([found.sequences, sameBits], [1, ['alone', 'prefill']]);
    const parts = partsOf({}, 1);
    assert.equal((await testOwnClass(parts, { ...exec, sequences: 4 }, true)).exec.sequences, 4);
    assert.deepEqual(await own({ disturbed: true }), { threads: 1, batch: 63, sameBits: ['alone', 'prefill'] });
  });

  it('tells which classes of other machines are reproduced', async () => {
    const several = { ...exec, threads: 0, sequences: 2 };
    assert.deepEqual(await testClass(partsOf({ splitsFrom: 300 }, 1), several), ['alone', 'prefill']);
    // One thread's bits, on a machine whose own lone tokens are split between three.
    assert.deepEqual(await testClass(partsOf({ splitsFrom: 300 }, 3), exec), ['prefill']);
    assert.deepEqual(await testClass(partsOf({ threadsMatter: true }, 3), exec), []);
    assert.equal(await testClass(partsOf({ disturbed: true }, 1), { ...exec, sequences: 2 }), null);
  });

  it('stops where the signal aborts', async () => {
    const stop = new AbortController();
    const parts = partsOf({}, 1);
    const running = testOwnClass(parts, exec, true, { signal: stop.signal });
    stop.abort(new Error('enough'));
    await assert.rejects(running, /enough/);
    assert.ok(parts.weights.tokens < 100);
  });
});

function bitsOf({ ids, logits }: TopLogits): string {
  return [...ids.keys()]
    .map((at) => `${ids[at]}:${Buffer.from(Float32Array.of(logits[at] ?? 0).buffer).toString('hex')}`)
    .sort()
    .join(' ');
}

describe('the self-test of a real engine', () => {
  async function withResult(
    model: TestModel,
    cacheDir: string,
    work: (result: SelfTestResult, engine: Awaited<ReturnType<typeof openEngine>>) => Promise<void>,
    init: Partial<EngineInit> = {},
  ): Promise<void> {
    const engine = await openEngine({
      modelPath: model.path,
      modelId: model.id,
      cacheDir,
      threads: 1,
      context: 1024,
      ...init,
    });
    try {
      await work(await engine.runSelfTest(), engine);
    } finally {
      await engine.dispose();
    }
  }

  it('says what is true of this machine', async () => {
    await withResult(await testModel('q4_1'), testCacheDir, async (result, engine) => {
      assert.deepEqual([engine.exec, engine.selfTest], [result.exec, result]);
      const session = await engine.open();
      const question = chat('Name three colours. '.repeat(30));
      const { tokens: prompt } = engine.tokenizer.encodePrompt(question);
      const tops = [await session.prefill(prompt, 20)];
      const tokens = [tops[0]?.ids[0] ?? 0];
      while (tokens.length < 80) {
        tops.push(await session.decode(tokens.at(-1) ?? 0, 20));
        tokens.push(tops.at(-1)?.ids[0] ?? 0);
      }
      const replayed = await session.replay(prompt, tokens, 20);
      await session.release();
      if (result.sameBits.includes('prefill')) assert.deepEqual(replayed.map(bitsOf), tops.map(bitsOf));
    });
  });

  it('is kept on disk for the next run, and made again where the file is damaged', async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'qvac-self-test-'));
    try {
      const model = await tinyModel({ kind: 'q8_0' });
      const found: SelfTestResult[] = [];
      const keep = (result: SelfTestResult): Promise<void> => Promise.resolve(void found.push(result));
      await withResult(model, cacheDir, keep);
      const engine = await openEngine({ modelPath: model.path, modelId: model.id, cacheDir, threads: 1, context: 512 });
      assert.deepEqual(engine.selfTest, found[0]);
      assert.deepEqual(await engine.reproduces?.(engine.exec), engine.selfTest?.sameBits);
      await engine.dispose();
      // Other slots are another class.
      const other = await openEngine({
        modelPath: model.path,
        modelId: model.id,
        cacheDir,
        threads: 1,
        context: 512,
        slots: 2,
      });
      assert.equal(other.selfTest, null);
      await other.dispose();
      const [file = ''] = await readdir(join(cacheDir, 'self-test'));
      await writeFile(join(cacheDir, 'self-test', file), '{"threads":0,"batch":63,"sameBits":["everything"]}');
      await withResult(model, cacheDir, keep);
      assert.deepEqual(found[1], found[0]);
    } finally {
      await rm(cacheDir, { recursive: true });
    }
  });

  it('knows nothing of classes that another kernel, release or larger batch makes', async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'qvac-self-test-'));
    try {
      const model = await tinyModel({ kind: 'q8_0' });
      const engine = await openEngine({ modelPath: model.path, modelId: model.id, cacheDir, threads: 1, context: 512 });
      const own = engine.exec;
      for (const change of [
        { kernels: 'other' },
        { engine: 'llama.cpp y' },
        { batch: 512 },
        { batch: 7 },
        { promptBatch: 256 },
        { promptBatch: 100 },
        { threads: 7 },
        { sequences: 100 },
        { gpuLayers: 3 },
        { flash: false },
      ]) {
        assert.deepEqual(await engine.reproduces?.({ ...own, ...change }), [], JSON.stringify(change));
      }
      assert.deepEqual(await engine.reproduces?.(own), ['alone']);
      await engine.dispose();
    } finally {
      await rm(cacheDir, { recursive: true });
    }
  });
});
