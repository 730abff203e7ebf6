import { QvacError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { createLanePool, type LanePool } from './lane-pool.ts';
import { createRounds, type Rounds } from './rounds.ts';
import type { Lanes, LanesInit, Weights } from './weights.ts';

/** Weights with the histories of all slots. */
export interface Loaded {
  readonly weights: Weights;
  readonly lanes: Lanes;
  readonly rounds: Rounds;
  readonly pool: LanePool;
}

export interface LoaderInit {
  readonly lanes: LanesInit;
  /** Most prompts that are kept between jobs. */
  readonly maxKept: number;
  /** Puts the weights down after so long without use, ms; null never does. */
  readonly idleMs: number | null;
  loadWeights(options: AbortOptions): Promise<Weights>;
}

/** How weights come into memory and out of it, with all that is opened over them. */
export interface Loading<Loaded> {
  /** Puts the weights down after so long without use, ms; null never does. */
  readonly idleMs: number | null;
  load(options: AbortOptions): Promise<Loaded>;
  unload(loaded: Loaded): Promise<void>;
}

/** Keeps the weights in memory while a job uses them, and as long after as asked for. */
export interface Loader<With = Loaded> {
  /** Runs `work` with the weights, loading them if needed; they stay until it settles. */
  use<T>(work: (loaded: With) => Promise<T>, options?: AbortOptions): Promise<T>;
  /** Frees everything once nobody uses it. What is asked for later is refused. Idempotent. */
  close(): Promise<void>;
}

/** A loader of weights that generate. */
export function createLoader({ lanes: lanesInit, maxKept, idleMs, loadWeights }: LoaderInit): Loader {
  return createLoaderOf<Loaded>({
    idleMs,
    async load(options) {
      const weights = await loadWeights(options);
      try {
        const lanes = await weights.openLanes(lanesInit, options);
        return {
          weights,
          lanes,
          rounds: createRounds(lanes),
          pool: createLanePool(lanes, { lanes: lanesInit.lanes, maxKept }),
        };
      } catch (error) {
        await weights.dispose();
        throw error;
      }
    },
    async unload({ lanes, weights }) {
      await lanes.dispose();
      await weights.dispose();
    },
  });
}

export function createLoaderOf<With>(loading: Loading<With>): Loader<With> {
  return new WeightsLoader(loading);
}

class WeightsLoader<With> implements Loader<With> {
  readonly #init: Loading<With>;
  readonly #uses = new Set<Promise<unknown>>();
  #loaded: Promise<With> | null = null;
  /** The last time that weights were put down: the next load waits for it, so that they are never in memory twice. */
  #unloading: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #closed: Promise<void> | null = null;

  constructor(init: Loading<With>) {
    this.#init = init;
  }

  async use<T>(work: (loaded: With) => Promise<T>, { signal }: AbortOptions = {}): Promise<T> {
    if (this.#closed !== null) throw new QvacError('E_ENGINE', 'the engine is shut down');
    clearTimeout(this.#timer);
    const use = this.#ready(signal).then(work);
    this.#uses.add(use);
    try {
      return await use;
    } finally {
      this.#uses.delete(use);
      this.#rest();
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#closed ??= Promise.allSettled(this.#uses).then(() => this.#unload());
    await this.#closed;
  }

  #ready(signal: AbortSignal | undefined): Promise<With> {
    if (this.#loaded !== null) return this.#loaded;
    const loading = this.#unloading.then(() => this.#init.load({ signal }));
    this.#loaded = loading;
    loading.catch(() => {
      if (this.#loaded === loading) this.#loaded = null;
    });
    return loading;
  }

  #rest(): void {
    const { idleMs } = this.#init;
    if (idleMs === null || this.#closed !== null || this.#uses.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#unload(), idleMs).unref();
  }

  async #unload(): Promise<void> {
    const old = this.#loaded;
    this.#loaded = null;
    const before = this.#unloading;
    this.#unloading = before.then(async () => {
      const loaded = await old?.catch(() => null);
      if (loaded === null || loaded === undefined) return;
      await this.#init.unload(loaded);
    });
    await this.#unloading;
  }
}
