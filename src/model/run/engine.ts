import { join } from 'node:path';
import { QvacError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import type { Exec } from '../../protocol/messages.ts';
import type { Engine, EngineInit, EngineSession, SelfTestResult, Tokenizer } from '../engine.ts';
import { createRounds, type Rounds } from './rounds.ts';
import { createSession } from './session.ts';
import { createSelfTestStore, type SelfTestKey } from './self-test-store.ts';
import { type SelfTestComponents, smallerBatches, testClass, testOwnClass } from './self-test.ts';
import { createSlots } from './slots.ts';
import type { Lanes, Weights } from './weights.ts';

const defaultBatch = 63;
const defaultQueue = 8;
const speedTokens = 24;
/** Sequences of another machine's class that this one still tests. */
const mostReproducedSequences = 8;

/** What the loaded library declares of itself and the machine. */
export interface Platform {
  /** "llama.cpp <release>" */
  readonly engine: string;
  readonly backend: Exec['backend'];
  readonly kernels: string;
  readonly device: string;
  /** bytes */
  readonly memory: number;
  readonly cores: number;
}

export interface EngineComponents {
  readonly init: EngineInit;
  readonly platform: Platform;
  readonly tokenizer: Tokenizer;
  loadWeights(options: AbortOptions): Promise<Weights>;
}

/** Weights with their histories: what an idle engine puts down and takes up again. */
interface Loaded {
  readonly weights: Weights;
  readonly lanes: Lanes;
  readonly rounds: Rounds;
}

export async function createEngine({ init, platform, tokenizer, loadWeights }: EngineComponents, options: AbortOptions = {}): Promise<Engine> {
  const { facts } = tokenizer;
  const slotCount = init.slots ?? 1;
  const threads = init.threads ?? Math.max(1, platform.cores - 1);
  const batch = init.batch ?? defaultBatch;
  const slots = createSlots(slotCount, init.queue ?? defaultQueue);
  const spare = threads > 1 ? slotCount : null;
  let loaded: Promise<Loaded> | null = null;
  let tested: SelfTestResult | null = null;
  let testing: Promise<SelfTestResult> | null = null;
  let speed: Promise<number> | null = null;
  let idleTimer: NodeJS.Timeout | undefined;
  let disposed: Promise<void> | null = null;

  async function load(signal?: AbortSignal): Promise<Loaded> {
    const weights = await loadWeights({ signal });
    try {
      const lanes = await weights.openLanes({ lanes: slotCount + (spare === null ? 0 : 1), threads, batch, context: facts.context }, { signal });
      return { weights, lanes, rounds: createRounds(lanes, spare) };
    } catch (error) {
      await weights.dispose();
      throw error;
    }
  }

  async function unload(): Promise<void> {
    const ready = await loaded?.catch(() => null);
    loaded = null;
    if (ready === null || ready === undefined) return;
    await ready.rounds.idle();
    await ready.lanes.dispose();
    await ready.weights.dispose();
  }

  const ready = (): Promise<Loaded> => {
    clearTimeout(idleTimer);
    if (loaded === null) {
      loaded = load();
      loaded.catch(() => {
        loaded = null;
      });
    }
    return loaded;
  };

  const results = createSelfTestStore(join(init.cacheDir, 'self-test'));
  async function kept(key: SelfTestKey, test: (components: SelfTestComponents) => Promise<SelfTestResult>): Promise<SelfTestResult> {
    const known = await results.get(key);
    if (known !== null) return known;
    const { weights } = await ready();
    const result = await test({ weights, vocab: facts.vocab, threads, companions: spare !== null, cores: platform.cores });
    await results.put(key, result);
    return result;
  }

  function rest(): void {
    if (init.idleUnloadMs === undefined || init.idleUnloadMs === null || disposed !== null) return;
    clearTimeout(idleTimer);
    idleTimer = setTimeout(() => {
      if (slots.used === 0) void unload();
    }, init.idleUnloadMs).unref();
  }

  loaded = load(options.signal);
  const { weights: first } = await loaded;
  const own: Exec = { engine: platform.engine, backend: platform.backend, kernels: platform.kernels, threads, batch, flash: true, kv: 'f16', gpuLayers: first.gpuLayers, sequences: slotCount };

  const engine: Engine = {
    facts,
    tokenizer,
    device: { backend: platform.backend, device: platform.device, memory: platform.memory },
    get exec() {
      return tested?.exec ?? own;
    },
    get selfTest() {
      return tested;
    },
    slots,
    async open({ signal, exec } = {}): Promise<EngineSession> {
      if (disposed !== null) throw new QvacError('E_ENGINE', 'the engine is shut down');
      const slot = await slots.take({ signal });
      try {
        const { lanes, rounds } = await ready();
        signal?.throwIfAborted();
        return createSession({
          lanes,
          rounds,
          lane: slot,
          exec: exec ?? engine.exec,
          context: facts.context,
          onRelease() {
            slots.give(slot);
            if (slots.used === 0) rest();
          },
        });
      } catch (error) {
        slots.give(slot);
        throw error;
      }
    },
    async runSelfTest({ signal } = {}) {
      const free = init.batch === undefined;
      testing ??= kept({ modelId: facts.id, exec: own, facts: ['own', threads, platform.cores, free] }, (components) => testOwnClass(components, own, free, { signal }));
      try {
        tested = await testing;
        return tested;
      } catch (error) {
        testing = null;
        throw error;
      }
    },
    async reproduces(exec, { signal } = {}) {
      if (sameExec(exec, engine.exec)) return tested?.sameBits ?? (exec.sequences === 1 ? ['alone'] : []);
      if (!isReproducible(exec, own)) return [];
      const result = await kept({ modelId: facts.id, exec, facts: ['other', threads, platform.cores] }, async (components) => ({ exec, sameBits: (await testClass(components, exec, { signal })) ?? [] }));
      return result.sameBits;
    },
    measureSpeed({ signal } = {}) {
      speed ??= measure(engine, signal);
      speed.catch(() => {
        speed = null;
      });
      return speed;
    },
    async dispose() {
      clearTimeout(idleTimer);
      slots.close(new QvacError('E_ENGINE', 'the engine is shut down'));
      disposed ??= unload().then(() => tokenizer.dispose());
      await disposed;
    },
  };
  rest();
  return engine;
}

function sameExec(a: Exec, b: Exec): boolean {
  return a.threads === b.threads && a.sequences === b.sequences && a.batch === b.batch && isReproducible(a, b);
}

/** True where only what a schedule decides differs. The choices are few, so that no stranger's class makes us test without end. */
function isReproducible(exec: Exec, own: Exec): boolean {
  return (
    exec.engine === own.engine && exec.backend === own.backend && exec.kernels === own.kernels && exec.flash === own.flash && exec.kv === own.kv && exec.gpuLayers === own.gpuLayers &&
    (exec.batch === own.batch || (smallerBatches.includes(exec.batch) && exec.batch < own.batch)) && [0, 1, own.threads].includes(exec.threads) && exec.sequences <= mostReproducedSequences
  );
}

/** Tokens per second of a short answer, the prompt not counted. */
async function measure(engine: Engine, signal: AbortSignal | undefined): Promise<number> {
  const session = await engine.open({ signal });
  try {
    let top = await session.prefill(Array.from({ length: 16 }, (_, at) => (at * 37 + 11) % engine.facts.vocab), 20, { signal });
    const start = performance.now();
    for (let at = 0; at < speedTokens; at++) top = await session.decode(top.ids[0] ?? 0, 20, { signal });
    return (speedTokens * 1000) / Math.max(performance.now() - start, 0.001);
  } finally {
    await session.release();
  }
}
