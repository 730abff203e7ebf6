import { join } from 'node:path';
import { QvacError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { embedInput } from '../../protocol/embedding.ts';
import type { Exec } from '../../protocol/messages.ts';
import type { EmbedOptions, Engine, EngineSession, Schedule, SelfTestResult, Tokenizer } from '../engine.ts';
import type { EngineComponents, Platform } from './engine.ts';
import { isSameExec, isSameMachine } from './exec-classes.ts';
import { createLoaderOf, type Loader } from './loader.ts';
import { createSelfTestStore, type SelfTestStore } from './self-test-store.ts';
import { createSlots, minQueue, queueFor, type Slots } from './slots.ts';
import type { Pool, Weights } from './weights.ts';

/** Texts at the same time: one alone keeps all threads busy. */
const slotCount = 1;
/** Tokens of the texts that the self-test embeds: short, long, and where llama.cpp changes its kernels. */
const testedLengths: readonly number[] = [2, 7, 63, 64, 200, 513];
const speedTokens = 64;
/** An embedded text stands for so many tokens of an answer where a queue is sized: few milliseconds. */
const queueSpeedFactor = 4;

interface Loaded {
  readonly weights: Weights;
  readonly pool: Pool;
}

/** Opens the engine of a model that embeds texts, with its weights loaded. It owns the tokenizer from then on. */
export async function createEmbeddingEngine(
  { init, platform, tokenizer, loadWeights }: Omit<EngineComponents, 'slots' | 'maxKept'>,
  options: AbortOptions & {
    /** Tokens that the class declares for its calls, whatever this engine was opened for. */
    readonly classContext: number;
  },
): Promise<Engine> {
  const threads = init.threads ?? Math.max(1, platform.cores - 1);
  const { context } = tokenizer.facts;
  const loader = createLoaderOf<Loaded>({
    idleMs: init.idleUnloadMs ?? null,
    async load(loading) {
      const weights = await loadWeights(loading);
      try {
        return { weights, pool: await weights.openPool({ threads, context }, loading) };
      } catch (error) {
        await weights.dispose();
        throw error;
      }
    },
    async unload({ pool, weights }) {
      await pool.dispose();
      await weights.dispose();
    },
  });
  const { gpuLayers, flash } = await loader.use(({ weights }) => Promise.resolve(weights), options);
  const exec: Exec = {
    engine: platform.engine,
    backend: platform.backend,
    kernels: platform.kernels,
    threads,
    batch: options.classContext,
    promptBatch: options.classContext,
    flash,
    kv: 'f16',
    gpuLayers,
    sequences: 1,
  };
  const results = createSelfTestStore(join(init.cacheDir, 'self-test'));
  const parts: Parts = { loader, tokenizer, platform, exec, threads, queue: init.queue ?? null, results };
  return new EmbeddingEngine(parts, await results.get(ownKey(parts)));
}

interface Parts {
  readonly loader: Loader<Loaded>;
  readonly tokenizer: Tokenizer;
  readonly platform: Platform;
  /** The class with the true number of threads. */
  readonly exec: Exec;
  readonly threads: number;
  /** Most texts that wait; null: as many as the speed allows. */
  readonly queue: number | null;
  readonly results: SelfTestStore;
}

class EmbeddingEngine implements Engine {
  readonly facts: Engine['facts'];
  readonly tokenizer: Tokenizer;
  readonly device: Engine['device'];
  readonly slots: Slots;
  readonly scoreSlots: Slots;
  readonly #parts: Parts;
  readonly #shutdown = new AbortController();
  #tested: SelfTestResult | null;
  #testing: Promise<SelfTestResult> | null = null;
  #speed: Promise<number> | null = null;
  #maxWaiting: number;

  constructor(parts: Parts, tested: SelfTestResult | null) {
    const { tokenizer, platform, queue } = parts;
    this.#parts = parts;
    this.#tested = tested;
    this.facts = tokenizer.facts;
    this.tokenizer = tokenizer;
    this.device = { backend: platform.backend, device: platform.device, memory: platform.memory };
    this.#maxWaiting = queue ?? minQueue;
    this.slots = createSlots(slotCount, () => this.#maxWaiting);
    this.scoreSlots = createSlots(0, () => 0);
  }

  get exec(): Exec {
    return this.#tested?.exec ?? this.#parts.exec;
  }

  get selfTest(): SelfTestResult | null {
    return this.#tested;
  }

  async open(): Promise<EngineSession> {
    throw new QvacError('E_ENGINE', `${this.facts.name} embeds texts, and answers nothing`);
  }

  async embed(tokens: readonly number[], { signal, isUnderWay }: EmbedOptions = {}): Promise<Float32Array> {
    this.#shutdown.signal.throwIfAborted();
    await this.slots.take({ signal, isUnderWay });
    try {
      return await this.#parts.loader.use(({ pool }) => {
        signal?.throwIfAborted();
        return pool.embed(tokens);
      });
    } finally {
      this.slots.give();
    }
  }

  async runSelfTest(options: AbortOptions = {}): Promise<SelfTestResult> {
    this.#testing ??= this.#testOwnClass(options);
    try {
      this.#tested = await this.#testing;
      return this.#tested;
    } catch (error) {
      this.#testing = null;
      throw error;
    }
  }

  /** Blocks and neighbours do not come into it: each text is a call of its own. */
  async reproduces(exec: Exec, options: AbortOptions = {}): Promise<readonly Schedule[]> {
    const own = this.#parts.exec;
    if (isSameExec(exec, this.exec)) return ['alone'];
    if (!isSameMachine(exec, own) || ![0, 1, own.threads].includes(exec.threads)) return [];
    const { results } = this.#parts;
    const key = { modelId: this.facts.id, exec, facts: ['embed', own.threads, this.#parts.platform.cores] };
    const known = await results.get(key);
    if (known !== null) return known.sameBits;
    const counts = exec.threads === 0 ? this.#threadCounts : [own.threads, exec.threads];
    const sameBits: readonly Schedule[] = (await this.#areSame(counts, options)) ? ['alone'] : [];
    await results.put(key, { exec, sameBits });
    return sameBits;
  }

  measureSpeed({ signal }: AbortOptions = {}): Promise<number> {
    if (this.#speed !== null) return this.#speed;
    const speed = this.#measure(signal);
    this.#speed = speed;
    speed.then(
      (perSecond) => (this.#maxWaiting = this.#parts.queue ?? queueFor(perSecond * queueSpeedFactor, slotCount)),
      () => (this.#speed = null),
    );
    return speed;
  }

  async dispose(): Promise<void> {
    const reason = new QvacError('E_ENGINE', 'the engine is shut down');
    this.#shutdown.abort(reason);
    this.slots.close(reason);
    await this.#parts.loader.close();
    await this.tokenizer.dispose();
  }

  get #threadCounts(): readonly number[] {
    const { threads, platform } = this.#parts;
    return [...new Set([threads, 1, Math.min(2, platform.cores)])];
  }

  async #testOwnClass(options: AbortOptions): Promise<SelfTestResult> {
    const { exec, results } = this.#parts;
    const key = ownKey(this.#parts);
    const known = await results.get(key);
    if (known !== null) return known;
    const isFree = await this.#areSame(this.#threadCounts, options);
    const result: SelfTestResult = { exec: isFree ? { ...exec, threads: 0 } : exec, sameBits: ['alone'] };
    await results.put(key, result);
    return result;
  }

  /** Whether texts of all kinds of lengths have the same vectors at these numbers of threads. */
  async #areSame(threadCounts: readonly number[], { signal }: AbortOptions): Promise<boolean> {
    const within = anySignal(signal, this.#shutdown.signal);
    const { context } = this.facts;
    return await this.#parts.loader.use(async ({ weights }) => {
      let expected: Buffer | null = null;
      for (const threads of new Set(threadCounts)) {
        const pool = await weights.openPool({ threads, context }, { signal: within });
        try {
          const bits: Buffer[] = [];
          for (const length of testedLengths) {
            within?.throwIfAborted();
            const vector = await pool.embed(testTokens(this.tokenizer, Math.min(length, context)));
            bits.push(Buffer.from(vector.buffer));
          }
          const all = Buffer.concat(bits);
          expected ??= all;
          if (!all.equals(expected)) return false;
        } finally {
          await pool.dispose();
        }
      }
      return true;
    });
  }

  /** Tokens of a text per second. */
  async #measure(signal: AbortSignal | undefined): Promise<number> {
    const tokens = testTokens(this.tokenizer, Math.min(speedTokens, this.facts.context));
    await this.embed(tokens, { signal });
    const start = performance.now();
    await this.embed(tokens, { signal });
    return (tokens.length * 1000) / Math.max(performance.now() - start, 0.001);
  }
}

function ownKey({ tokenizer, exec, threads, platform }: Parts) {
  return { modelId: tokenizer.facts.id, exec, facts: ['embed-own', threads, platform.cores] };
}

/** The same tokens every time, between those that the model puts around a text. */
function testTokens(tokenizer: Tokenizer, count: number): readonly number[] {
  const { vocab } = tokenizer.facts;
  const { tokens } = tokenizer.encodePrompt(embedInput(['a']));
  const between = Array.from({ length: Math.max(0, count - 2) }, (_, at) => (at * 37 + 11) % vocab);
  return [...tokens.slice(0, 1), ...between, ...tokens.slice(-1)];
}
