import { stat } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { basename } from 'node:path';
import type { Llama, LlamaModel, LlamaModelOptions, Token } from 'node-llama-cpp';
import { messageOf, QvacError } from '../errors.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import type { AbortOptions } from '../lib/types.ts';
import type { Engine, EngineInit, Tokenizer } from './engine.ts';
import { shardPaths } from './fetch/shards.ts';
import { createEmbeddingEngine } from './run/embedding-engine.ts';
import { createEngine, type Platform } from './run/engine.ts';
import { hasTokensOnly, isCuttable, type MemoryPlan, memoryPlans, tokenBytesOf } from './run/memory-plan.ts';
import { startWithDevice } from './run/native/backend.ts';
import { internalsOfSequence } from './run/native/internals.ts';
import { createLanes } from './run/native/lanes.ts';
import { byLane } from './run/native/native-call.ts';
import type { NativeSequence } from './run/native/public-evaluate.ts';
import type { Lanes, LanesInit, Pool, PoolInit, Vocabulary, Weights } from './run/weights.ts';
import { dimensionsOfFile } from './text/embedding-facts.ts';
import { type GgufHeader, readGguf } from './text/gguf.ts';
import { readTokenTable } from './text/token-bytes.ts';
import { createTokenizer, trainedContextOf } from './text/tokenizer.ts';

export interface EngineOptions extends AbortOptions {
  /** Gets what llama.cpp says, at debug. @default says nothing */
  readonly logger?: Logger | undefined;
  /** Told while the weights are read, from 0 to 1, also when they are read again after a rest. */
  readonly onLoad?: ((share: number) => void) | undefined;
}

/** The library with what its class declares (protocol section 2). */
interface Library {
  readonly llama: Llama;
  readonly backend: 'cpu' | 'cuda' | 'metal' | 'vulkan';
  readonly kernels: string;
  readonly device: string;
}

/** What llama.cpp said last: the reason where a load fails. The library has one log for the whole process. */
const lastErrors: string[] = [];
let logger: Logger = silentLogger;
const libraries = new Map<'auto' | 'off', Promise<Library>>();

/**
 * Loads a model for generation and re-execution. The library itself is loaded by the first call.
 * @throws QvacError E_MODEL if the file cannot be used, E_ENGINE if the engine or memory is lacking
 */
export async function openEngine(init: EngineInit, options: EngineOptions = {}): Promise<Engine> {
  logger = options.logger ?? logger;
  const header = await readGguf(init.modelPath);
  const library = await loadLibrary(init.gpu ?? 'auto');
  const platform = await platformOf(library);
  if (dimensionsOfFile(header) !== null) return await openEmbeddingEngine({ init, header, library, platform }, options);
  const plans = await planMemory(init, header, platform);
  for (const [at, { context, slots, maxKept }] of plans.entries()) {
    const tokenizer = await openTokenizer({ ...init, context }, options);
    try {
      return await createEngine(
        {
          init,
          slots,
          maxKept,
          platform,
          tokenizer,
          loadWeights: ({ signal }) => loadWeights(library, header, { ...options, signal }),
        },
        options,
      );
    } catch (error) {
      await tokenizer.dispose();
      const isLast = at === plans.length - 1;
      if (isLast || !(error instanceof QvacError) || error.details?.lacks !== 'context') throw error;
      logger.warn('less memory than planned', { model: tokenizer.facts.name, context, slots });
    }
  }
  throw new RangeError('expected a plan to try');
}

/** Tokens of one text at most: the whole of it is one engine call, whose memory grows with it. */
const maxTextTokens = 8_192;

async function openEmbeddingEngine(
  {
    init,
    header,
    library,
    platform,
  }: {
    readonly init: EngineInit;
    readonly header: GgufHeader;
    readonly library: Library;
    readonly platform: Platform;
  },
  options: EngineOptions,
): Promise<Engine> {
  const classContext = Math.min(trainedContextOf(header), maxTextTokens);
  const tokenizer = await openTokenizer(
    { ...init, context: Math.min(init.context ?? classContext, classContext) },
    options,
  );
  try {
    return await createEmbeddingEngine(
      {
        init,
        platform,
        tokenizer,
        loadWeights: ({ signal }) => loadWeights(library, header, { ...options, signal }),
      },
      { ...options, classContext },
    );
  } catch (error) {
    await tokenizer.dispose();
    throw error;
  }
}

async function planMemory(init: EngineInit, header: GgufHeader, platform: Platform): Promise<readonly MemoryPlan[]> {
  const sizes = await Promise.all((await shardPaths(header)).map((path) => stat(path)));
  const weightBytes = sizes.reduce((sum, { size }) => sum + size, 0);
  return memoryPlans(init, {
    tokenBytes: tokenBytesOf(header),
    freeBytes: Math.max(0, platform.freeMemory - weightBytes),
    trainedContext: trainedContextOf(header),
    isCuttable: isCuttable(header),
  });
}

/** What computes on this machine, without a model. @throws QvacError E_ENGINE if the engine cannot be loaded */
export async function describePlatform(gpu: 'auto' | 'off' = 'auto'): Promise<Platform> {
  return await platformOf(await loadLibrary(gpu));
}

async function platformOf({ llama, backend, kernels, device }: Library): Promise<Platform> {
  const memory = backend === 'cpu' ? await llama.getRamState() : await llama.getVramState();
  return {
    engine: `llama.cpp ${llama.llamaCppRelease.release}`,
    backend,
    kernels,
    device,
    memory: memory.total,
    freeMemory: memory.free,
    cores: availableParallelism(),
  };
}

/**
 * The tokenizer alone: no weights are read. Its context is the model's trained one if none is named.
 * @throws QvacError as `openEngine`
 */
export async function openTokenizer(
  init: Pick<EngineInit, 'modelPath' | 'modelId' | 'name' | 'context'>,
  options: EngineOptions = {},
): Promise<Tokenizer> {
  logger = options.logger ?? logger;
  const header = await readGguf(init.modelPath);
  // First: the library ends the process at a vocabulary that this refuses.
  const table = readTokenTable(header);
  const { llama } = await loadLibrary('any');
  const model = await loadModel(llama, header, {
    vocabOnly: true,
    gpuLayers: 0,
    ...(options.signal === undefined ? {} : { loadSignal: options.signal }),
  });
  try {
    return createTokenizer({ header, table, init, vocabulary: vocabularyOf(model), dispose: () => model.dispose() });
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

/**
 * One instance serves the whole process if it can: a second one would take the first one's log away. One that runs on a
 * GPU does not serve 'off', since it hands large products to the GPU even without layers there.
 */
async function loadLibrary(gpu: 'auto' | 'off' | 'any'): Promise<Library> {
  for (const [loadedFor, known] of libraries) {
    const library = await known;
    if (gpu === 'any' || gpu === loadedFor || (gpu === 'off' && library.backend === 'cpu')) return library;
  }
  const key = gpu === 'off' ? 'off' : 'auto';
  const loading = libraries.get(key) ?? importLibrary(key);
  libraries.set(key, loading);
  // A failure is not kept, so that a GPU build that is installed meanwhile is found.
  loading.catch(() => libraries.delete(key));
  return await loading;
}

async function importLibrary(gpu: 'auto' | 'off'): Promise<Library> {
  try {
    const { getLlama, LlamaLogLevel } = await import('node-llama-cpp');
    const start = (asked: 'auto' | false): Promise<Llama> =>
      getLlama({
        gpu: asked,
        build: 'never',
        skipDownload: true,
        progressLogs: false,
        // No limit of its own: the class declares the number of threads, and the library must keep to it.
        maxThreads: 0,
        logLevel: LlamaLogLevel.log,
        logger(level, message) {
          if (level === 'error' || level === 'fatal') lastErrors.push(message.trim());
          lastErrors.splice(0, lastErrors.length - 8);
          logger.debug(message.trim(), { from: 'llama.cpp', level });
        },
      });
    const llama = gpu === 'auto' ? await startWithDevice(start) : await start(false);
    const devices = await llama.getGpuDeviceNames();
    const processor = cpus()[0]?.model.trim() ?? 'CPU';
    return {
      llama,
      backend: llama.gpu === false ? 'cpu' : llama.gpu,
      // Which of the CPU builds runs changes the bits, and the flags alone do not always tell them apart.
      kernels: [...devices, ...loadedBuilds(), llama.systemInfo.trim()].join(' | '),
      device: devices.length > 0 ? devices.join(', ') : processor,
    };
  } catch (error) {
    throw new QvacError('E_ENGINE', `the inference engine cannot be loaded (${lineOf(error)})`, {
      hint: 'qvac doctor',
      cause: error,
    });
  }
}

/**
 * The CPU builds of the library that this process has loaded, `cpu-zen4`. Its log tells them, too, but at times too
 * late.
 */
function loadedBuilds(): readonly string[] {
  // Else it would ask name servers about every open connection.
  Object.assign(process.report, { excludeNetwork: true });
  const { sharedObjects = [] } = process.report.getReport() as { readonly sharedObjects?: readonly string[] };
  // A library that was given up because it has no GPU leaves its builds in the process.
  return [...new Set(sharedObjects.flatMap((path) => /ggml-(cpu-\w+)\./.exec(basename(path))?.[1] ?? []))].sort();
}

async function loadModel(
  llama: Llama,
  header: GgufHeader,
  options: Omit<LlamaModelOptions, 'modelPath'>,
): Promise<LlamaModel> {
  lastErrors.length = 0;
  try {
    return await llama.loadModel({ modelPath: header.path, ...options });
  } catch (error) {
    if (options.loadSignal?.aborted === true) throw error;
    // The log arrives one turn of the event loop after the failure.
    await new Promise((resume) => setImmediate(resume));
    if (isMemoryError(error))
      throw new QvacError('E_ENGINE', `not enough memory for ${basename(header.path)} (${lineOf(error)})`, {
        hint: 'use a smaller model or quantisation',
        cause: error,
      });
    const reason = lastErrors[0]?.replace(/^.*error loading model: /, '') ?? lineOf(error);
    throw new QvacError('E_MODEL', `the engine cannot load ${basename(header.path)} (${reason})`, {
      hint: 'the file may be damaged, or its architecture unknown to this engine',
      cause: error,
    });
  }
}

async function loadWeights(library: Library, header: GgufHeader, { signal, onLoad }: EngineOptions): Promise<Weights> {
  const { llama } = library;
  const model = await loadModel(llama, header, {
    gpuLayers: library.backend === 'cpu' ? 0 : 'auto',
    ...(signal === undefined ? {} : { loadSignal: signal }),
    ...(onLoad === undefined ? {} : { onLoadProgress: onLoad }),
  });
  const { isRecurrent, isHybrid } = model.fileInsights;
  const isLastErasable = hasTokensOnly(header) && !isRecurrent && !isHybrid;
  return {
    gpuLayers: library.backend === 'cpu' ? 0 : model.gpuLayers,
    flash: model.flashAttentionSupported,
    isCuttable: isCuttable(header) && isLastErasable,
    isLastErasable,
    ...vocabularyOf(model),
    openLanes: (init, options = {}) => openLanes(model, init, options),
    openPool: (init, options = {}) => openPool(model, init, options),
    dispose: () => model.dispose(),
  };
}

function vocabularyOf(model: LlamaModel): Vocabulary {
  return {
    tokenize: (text) => model.tokenize(text, true),
    isStop: (token) => model.isEogToken(token as Token),
  };
}

async function openLanes(model: LlamaModel, init: LanesInit, { signal }: AbortOptions): Promise<Lanes> {
  const context = await model
    .createContext({
      contextSize: init.context,
      batchSize: init.batch,
      sequences: init.lanes,
      threads: init.threads,
      flashAttention: init.flash !== false && model.flashAttentionSupported,
      ...(init.coarseKv === true ? { experimentalKvCacheKeyType: 'Q8_0', experimentalKvCacheValueType: 'Q8_0' } : {}),
      ...(signal === undefined ? {} : { createSignal: signal }),
      batching: { itemPrioritizationStrategy: byLane },
      failedCreationRemedy: false,
    })
    .catch((error: unknown) => {
      if (signal?.aborted === true) throw error;
      throw new QvacError('E_ENGINE', `no memory for a context of ${init.context} tokens (${lineOf(error)})`, {
        hint: 'use a smaller context or fewer slots',
        cause: error,
        details: { lacks: 'context', context: init.context },
      });
    });
  return createLanes({
    sequences: Array.from({ length: init.lanes }, () => context.getSequence() as NativeSequence),
    vocab: model.fileInfo.metadata.tokenizer.ggml.tokens.length,
    internalsOf: internalsOfSequence,
    dispose: () => context.dispose(),
  });
}

async function openPool(model: LlamaModel, { threads, context }: PoolInit, { signal }: AbortOptions): Promise<Pool> {
  // One more: the library refuses a text that fills the context.
  const size = context + 1;
  const native = await model
    .createEmbeddingContext({
      contextSize: size,
      // A text in several calls has another vector.
      batchSize: size,
      threads,
      ...(signal === undefined ? {} : { createSignal: signal }),
    })
    .catch((error: unknown) => {
      if (signal?.aborted === true) throw error;
      throw new QvacError('E_ENGINE', `no memory for texts of ${context} tokens (${lineOf(error)})`, {
        hint: 'use a smaller context',
        cause: error,
      });
    });
  return {
    async embed(tokens) {
      const text = [...tokens] as Token[];
      // What the library would put around the text would be a part of it that nobody committed to.
      if (text.length > context || native.calculateInputLength([...text]) !== text.length)
        throw new QvacError('E_ENGINE', `the engine does not take a text of ${text.length} tokens as it is`);
      const { vector } = await native.getEmbeddingFor(text);
      return Float32Array.from(vector);
    },
    dispose: () => native.dispose(),
  };
}

function isMemoryError(error: unknown): boolean {
  return error instanceof Error && (error.name === 'InsufficientMemoryError' || /memory|VRAM/i.test(error.message));
}

/** The first line of an error's message. */
function lineOf(error: unknown): string {
  return messageOf(error).split('\n', 1)[0]?.slice(0, 200) ?? '';
}
