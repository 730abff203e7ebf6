import type { Config } from '../config.ts';
import { QvacError } from '../errors.ts';
import type { Logger } from '../lib/log.ts';
import type { AbortOptions, ModelId } from '../lib/types.ts';
import type { Engine, EngineInit } from '../model/engine.ts';
import { createModelStore, type ModelStore, type OnProgress, type StoredModel } from '../model/store.ts';
import type { LocalVerifierComponents } from '../node/verification/local-verifier.ts';

export interface ModelContext {
  readonly config: Config;
  readonly logger: Logger;
}

/** Shows the progress of slow work on models. Each function runs `work` and returns its result. */
export interface ModelProgress {
  /** A model file is downloaded or its digest computed. */
  fetching<Value>(name: string, work: (onProgress: OnProgress) => Promise<Value>): Promise<Value>;
  /** Weights are read into memory; `onLoad` takes a share from 0 to 1. */
  loading<Value>(model: StoredModel, work: (onLoad: (share: number) => void) => Promise<Value>): Promise<Value>;
}

/**
 * How an engine is opened that checks answers only: a lane for long ones and one for short ones, which never share a
 * call.
 */
export const checkingLanes: Pick<EngineInit, 'slots' | 'sequences'> = { slots: { upTo: 2 }, sequences: 1 };

/** The model files of this home. */
export function openModelStore({ config, logger }: ModelContext): ModelStore {
  return createModelStore({ dir: config.home.models, logger });
}

/**
 * The model file `name`, downloaded if it is not here.
 * @throws QvacError as of `ModelStore.pull`
 */
export function fetchModel(
  store: ModelStore,
  name: string,
  progress: ModelProgress,
  options: AbortOptions,
): Promise<StoredModel> {
  return progress.fetching(
    name,
    async (onProgress) =>
      (await store.resolve(name, { ...options, onProgress })) ?? store.pull(name, { ...options, onProgress }),
  );
}

/** Loads `model` with the engine settings of the configuration; `init` adds to them. */
export async function loadEngine(
  { config, logger }: ModelContext,
  model: StoredModel,
  init: Pick<EngineInit, 'name' | 'slots' | 'sequences' | 'queue' | 'keepPrompts'>,
  progress: ModelProgress,
  { signal }: AbortOptions,
): Promise<Engine> {
  const { openEngine } = await import('../model/llama.ts');
  const { threads, batch, context, gpu, keepAlive } = config.settings;
  return progress.loading(model, (onLoad) =>
    openEngine(
      {
        modelPath: model.path,
        modelId: model.id,
        name: model.name,
        context: context ?? undefined,
        threads: threads ?? undefined,
        batch,
        gpu,
        idleUnloadMs: keepAlive,
        cacheDir: config.home.cache,
        ...init,
      },
      { signal, logger, onLoad },
    ),
  );
}

/** What a client of this home checks answers with. */
export interface LocalModels extends LocalVerifierComponents {
  /** The model to ask for if a question names none: a hex id if the configuration names a GGUF file. */
  readonly asked: string | null;
}

/** The model files of this home, and the GGUF file that the configuration names by its path, if any. */
export async function openLocalModels({ config, logger }: ModelContext): Promise<LocalModels> {
  const store = openModelStore({ config, logger });
  const { threads, gpu, model } = config.settings;
  const file = model?.endsWith('.gguf') ? await store.resolve(model) : null;
  const resolve = async (wanted: string): Promise<StoredModel | null> =>
    file !== null && wanted === file.id ? file : store.resolve(wanted);
  const fileOf = async (id: ModelId) => {
    const found = await resolve(id);
    if (found === null)
      throw new QvacError('E_NO_MODEL', `model ${id.slice(0, 12)}… is no longer in ${config.home.models}`, {
        hint: 'qvac models ls',
      });
    return { modelPath: found.path, modelId: found.id, name: found.name };
  };
  return {
    asked: file?.id ?? model,
    logger,
    // A name that no file here can have is a model that is not here.
    find: async (wanted) => (await resolve(wanted).catch(() => null))?.id ?? null,
    async openEngine(id, options) {
      const { openEngine } = await import('../model/llama.ts');
      return openEngine(
        { ...(await fileOf(id)), ...checkingLanes, threads: threads ?? undefined, gpu, cacheDir: config.home.cache },
        { ...options, logger },
      );
    },
    async openTokenizer(id, options) {
      const { openTokenizer } = await import('../model/llama.ts');
      return openTokenizer(await fileOf(id), { ...options, logger });
    },
    calibration: async (id) =>
      (await import('../model/calibrations.ts')).loadCalibration(id, { dirs: [config.home.calibration], logger }),
  };
}
