import { join } from 'node:path';
import { QvacError } from '../../errors.ts';
import { anySignal } from '../../lib/abort.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Exec } from '../../protocol/messages.ts';
import type { Engine, EngineInit, EngineSession, OpenOptions, Schedule, SelfTestResult, Tokenizer } from '../engine.ts';
import { callSize, isReproducible, isSameExec } from './exec-classes.ts';
import { createLoader, type Loaded, type Loader } from './loader.ts';
import { type SelfTestComponents, testClass, testOwnClass } from './self-test.ts';
import { createSelfTestStore, type SelfTestKey, type SelfTestStore } from './self-test-store.ts';
import { createSession } from './session.ts';
import { createSlots, minQueue, queueFor, type Slots } from './slots.ts';
import type { Weights } from './weights.ts';

/** Beyond it llama.cpp takes kernels whose bits are others than those of one token per call, on every CPU tried. */
const defaultBatch = 63;
/** From here on the prompt costs the least; larger blocks would only make a cache of them coarser. */
const defaultPromptBatch = 128;
const speedTokens = 24;

/** What the loaded library declares of itself and the machine. */
export interface Platform {
  /** "llama.cpp <release>" */
  readonly engine: string;
  readonly backend: Exec['backend'];
  readonly kernels: string;
  readonly device: string;
  /** bytes */
  readonly memory: number;
  /** bytes */
  readonly freeMemory: number;
  readonly cores: number;
}

export interface EngineComponents {
  readonly init: EngineInit;
  /** Jobs decoded at the same time. */
  readonly slots: number;
  /** Most prompts that are kept between jobs. */
  readonly maxKept: number;
  readonly platform: Platform;
  readonly tokenizer: Tokenizer;
  loadWeights(options: AbortOptions): Promise<Weights>;
}

/** Opens the engine with its weights loaded. It owns the tokenizer from then on. */
export async function createEngine(
  { init, slots, maxKept, platform, tokenizer, loadWeights }: EngineComponents,
  options: AbortOptions = {},
): Promise<Engine> {
  const { scoreSlots = 0 } = init;
  const threads = init.threads ?? Math.max(1, platform.cores - 1);
  const batch = init.batch ?? defaultBatch;
  const promptBatch = init.promptBatch ?? defaultPromptBatch;
  const lanes = Math.max(slots + scoreSlots, maxKept);
  const loader = createLoader({
    lanes: {
      lanes,
      threads,
      // A token and a companion of each.
      batch: Math.max(batch, promptBatch, 2 * lanes),
      context: tokenizer.facts.context + (threads > 1 ? 1 : 0),
      flash: init.flash,
      coarseKv: init.coarseKv,
    },
    maxKept,
    idleMs: init.idleUnloadMs ?? null,
    loadWeights,
  });
  const { gpuLayers, flash, isCuttable, isLastErasable } = await loader.use(
    ({ weights }) => Promise.resolve(weights),
    options,
  );
  const exec: Exec = {
    engine: platform.engine,
    backend: platform.backend,
    kernels: platform.kernels,
    threads,
    batch,
    promptBatch,
    flash: flash && init.flash !== false,
    kv: 'f16',
    gpuLayers,
    sequences: Math.min(init.sequences ?? slots, slots),
  };
  const results = createSelfTestStore(join(init.cacheDir, 'self-test'));
  const batchIsFree = init.batch === undefined;
  const ownKey: SelfTestKey = {
    modelId: tokenizer.facts.id,
    exec,
    facts: ['own', threads, platform.cores, batchIsFree],
  };
  return new SlottedEngine({
    loader,
    tokenizer,
    exec,
    cores: platform.cores,
    companions: threads > 1 && isLastErasable,
    batchIsFree,
    device: { backend: platform.backend, device: platform.device, memory: platform.memory },
    slots,
    scoreSlots,
    keepsPrompts: isCuttable && maxKept > 0,
    queue: init.queue ?? null,
    results,
    ownKey,
    tested: await results.get(ownKey),
  });
}

interface Parts {
  readonly loader: Loader;
  readonly tokenizer: Tokenizer;
  /** The class with the true number of threads. */
  readonly exec: Exec;
  readonly cores: number;
  readonly companions: boolean;
  /** True if no one asked for this batch, so that the self-test may choose a smaller one. */
  readonly batchIsFree: boolean;
  readonly device: Engine['device'];
  readonly slots: number;
  readonly scoreSlots: number;
  readonly keepsPrompts: boolean;
  /** Most jobs that wait for a slot; null: as many as the speed allows. */
  readonly queue: number | null;
  readonly results: SelfTestStore;
  readonly ownKey: SelfTestKey;
  /** The self-test's result if an earlier run left it. */
  readonly tested: SelfTestResult | null;
}

class SlottedEngine implements Engine {
  readonly facts: Engine['facts'];
  readonly tokenizer: Tokenizer;
  readonly device: Engine['device'];
  readonly slots: Slots;
  readonly scoreSlots: Slots;
  readonly keepsPrompts: boolean;
  readonly #parts: Parts;
  readonly #shutdown = new AbortController();
  #tested: SelfTestResult | null;
  #testing: Promise<SelfTestResult> | null = null;
  #speed: Promise<number> | null = null;
  #maxWaiting: number;
  #disposed: Promise<void> | null = null;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.facts = parts.tokenizer.facts;
    this.tokenizer = parts.tokenizer;
    this.device = parts.device;
    this.keepsPrompts = parts.keepsPrompts;
    this.#maxWaiting = parts.queue ?? minQueue;
    this.slots = createSlots(parts.slots, () => this.#maxWaiting);
    this.scoreSlots = createSlots(parts.scoreSlots, () => this.#maxWaiting);
    this.#tested = parts.tested;
  }

  get exec(): Exec {
    return this.#tested?.exec ?? this.#parts.exec;
  }

  get selfTest(): SelfTestResult | null {
    return this.#tested;
  }

  async open({ signal, exec = this.exec, owner, isScore = false }: OpenOptions = {}): Promise<EngineSession> {
    this.#shutdown.signal.throwIfAborted();
    if (callSize(exec) > callSize(this.#parts.exec))
      throw new QvacError(
        'E_ENGINE',
        `this engine takes ${callSize(this.#parts.exec)} tokens a call, the class asked for ${callSize(exec)}`,
      );
    const slots = isScore ? this.scoreSlots : this.slots;
    if (slots.total === 0) throw new QvacError('E_ENGINE', 'this engine has no slot for score jobs');
    await slots.take({ signal });
    // Of another class nothing is known here: a verifier that recomputes one names the schedule.
    const blocksAreExact = isSameExec(exec, this.exec) && this.#tested?.sameBits.includes('prefill') === true;
    const opened = Promise.withResolvers<EngineSession>();
    const released = Promise.withResolvers<void>();
    // The weights stay until the session gives its slot back. They are loaded without this signal: others may wait for
    // them too.
    const given = this.#parts.loader
      .use(async ({ lanes, rounds, pool }: Loaded) => {
        signal?.throwIfAborted();
        const onRelease = (): Promise<void> => {
          released.resolve();
          return given;
        };
        opened.resolve(
          createSession({
            lanes,
            rounds,
            pool,
            owner: this.keepsPrompts ? (owner ?? null) : null,
            exec,
            companions: exec.threads === 0 && this.#parts.companions,
            blocksAreExact,
            isAnswerKeepable: blocksAreExact && exec.promptBatch <= exec.batch,
            background: isScore,
            context: this.facts.context,
            shutdown: this.#shutdown.signal,
            onRelease,
          }),
        );
        await released.promise;
      })
      .catch((error: unknown) => opened.reject(error))
      .then(() => slots.give());
    return await opened.promise;
  }

  async runSelfTest(options: AbortOptions = {}): Promise<SelfTestResult> {
    const { exec, batchIsFree, ownKey } = this.#parts;
    this.#testing ??= this.#kept(
      ownKey,
      (components, within) => testOwnClass(components, exec, batchIsFree, within),
      options,
    );
    try {
      this.#tested = await this.#testing;
      return this.#tested;
    } catch (error) {
      this.#testing = null;
      throw error;
    }
  }

  async reproduces(exec: Exec, options: AbortOptions = {}): Promise<readonly Schedule[]> {
    if (isSameExec(exec, this.exec)) return this.#tested?.sameBits ?? (exec.sequences === 1 ? ['alone'] : []);
    const own = this.#parts.exec;
    if (!isReproducible(exec, own)) return [];
    const key = { modelId: this.facts.id, exec, facts: ['other', own.threads, this.#parts.cores] };
    const result = await this.#kept(
      key,
      async (components, within) => ({ exec, sameBits: (await testClass(components, exec, within)) ?? [] }),
      options,
    );
    return result.sameBits;
  }

  measureSpeed({ signal }: AbortOptions = {}): Promise<number> {
    if (this.#speed !== null) return this.#speed;
    const speed = measure(this, signal);
    this.#speed = speed;
    speed.then(
      (tokensPerSecond) => (this.#maxWaiting = this.#parts.queue ?? queueFor(tokensPerSecond, this.#parts.slots)),
      () => (this.#speed = null),
    );
    return speed;
  }

  async dispose(): Promise<void> {
    const reason = new QvacError('E_ENGINE', 'the engine is shut down');
    this.#shutdown.abort(reason);
    this.slots.close(reason);
    this.scoreSlots.close(reason);
    this.#disposed ??= this.#parts.loader.close().then(() => this.tokenizer.dispose());
    await this.#disposed;
  }

  /** A self-test's result from disk, else by `test`. */
  async #kept(
    key: SelfTestKey,
    test: (components: SelfTestComponents, options: AbortOptions) => Promise<SelfTestResult>,
    { signal }: AbortOptions,
  ): Promise<SelfTestResult> {
    const { results, loader, exec, cores, companions } = this.#parts;
    const known = await results.get(key);
    if (known !== null) return known;
    const within = {
      signal: anySignal(signal, this.#shutdown.signal),
    };
    const result = await loader.use(({ weights }) =>
      test({ weights, vocab: this.facts.vocab, threads: exec.threads, companions, cores }, within),
    );
    await results.put(key, result);
    return result;
  }
}

/** Tokens per second of a short answer, the prompt not counted. */
async function measure(engine: Engine, signal: AbortSignal | undefined): Promise<number> {
  const session = await engine.open({ signal });
  try {
    let top = await session.prefill(
      Array.from({ length: 16 }, (_, at) => (at * 37 + 11) % engine.facts.vocab),
      20,
      { signal },
    );
    const start = performance.now();
    for (let at = 0; at < speedTokens; at++) top = await session.decode(top.ids[0] ?? 0, 20, { signal });
    return (speedTokens * 1000) / Math.max(performance.now() - start, 0.001);
  } finally {
    await session.release();
  }
}
