import { availableParallelism, cpus } from 'node:os';
import { basename } from 'node:path';
import type { Llama, LlamaContextSequence, LlamaModel, LlamaModelOptions, Token } from 'node-llama-cpp';
import { messageOf, QvacError } from '../errors.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import type { AbortOptions } from '../lib/types.ts';
import type { TopLogits } from '../proofs/logits.ts';
import type { Engine, EngineInit, Tokenizer } from './engine.ts';
import { createEngine, type Platform } from './run/engine.ts';
import { topOf } from './run/top-logits.ts';
import type { LaneCall, Lanes, LanesInit, Vocabulary, Weights } from './run/weights.ts';
import { type GgufHeader, readGguf } from './text/gguf.ts';
import { createTokenizer } from './text/tokenizer.ts';

export interface EngineOptions extends AbortOptions {
  /** Gets what llama.cpp says, at debug. @default says nothing */
  readonly logger?: Logger | undefined;
  /** Told while the weights are read, from 0 to 1, also when they are read again after a rest. */
  readonly onLoad?: ((share: number) => void) | undefined;
}

/** Tokens of prompt and answer together where none are named; the next is tried where memory lacks. */
const defaultContexts = [8192, 4096, 2048];

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
 * @throws QvacError E_MODEL where the file cannot be used, E_ENGINE where the engine or memory is lacking
 */
export async function openEngine(init: EngineInit, options: EngineOptions = {}): Promise<Engine> {
  logger = options.logger ?? logger;
  const header = await readGguf(init.modelPath);
  const library = await loadLibrary(init.gpu ?? 'auto');
  const platform = await platformOf(library);
  const contexts = init.context === undefined ? defaultContexts : [init.context];
  for (const [at, context] of contexts.entries()) {
    const tokenizer = await openTokenizer({ ...init, context }, options);
    try {
      return await createEngine(
        {
          init,
          platform,
          tokenizer,
          loadWeights: ({ signal }) => loadWeights(library, header, { ...options, signal }),
        },
        options,
      );
    } catch (error) {
      await tokenizer.dispose();
      const isLast = at === contexts.length - 1;
      if (isLast || !(error instanceof QvacError) || error.details?.lacks !== 'context') throw error;
      logger.warn('less memory than the usual context takes', { model: tokenizer.facts.name, context });
    }
  }
  throw new RangeError('expected a context to try');
}

/** What computes on this machine, without a model. @throws QvacError E_ENGINE where the engine cannot be loaded */
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
    cores: availableParallelism(),
  };
}

/**
 * The tokenizer alone: no weights are read. Its context is the model's trained one where none is named.
 * @throws QvacError as `openEngine`
 */
export async function openTokenizer(
  init: Pick<EngineInit, 'modelPath' | 'modelId' | 'name' | 'context'>,
  options: EngineOptions = {},
): Promise<Tokenizer> {
  logger = options.logger ?? logger;
  const header = await readGguf(init.modelPath);
  const { llama } = await loadLibrary('any');
  const model = await loadModel(llama, header, {
    vocabOnly: true,
    gpuLayers: 0,
    ...(options.signal === undefined ? {} : { loadSignal: options.signal }),
  });
  return createTokenizer({ header, init, vocabulary: vocabularyOf(model), dispose: () => model.dispose() });
}

/**
 * One instance serves the whole process where it can: a second one would take the first one's log away. One that runs
 * on
 * a GPU is no use for 'off', since it hands large products to the GPU even without layers there.
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
    const llama = await getLlama({
      gpu: gpu === 'auto' ? 'auto' : false,
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
 * The CPU builds of the library that this process has loaded, `cpu-zen4`. Its log tells them, too, but too late at
 * times.
 */
function loadedBuilds(): readonly string[] {
  // Else it would ask name servers about every open connection.
  Object.assign(process.report, { excludeNetwork: true });
  const { sharedObjects = [] } = process.report.getReport() as { readonly sharedObjects?: readonly string[] };
  return sharedObjects.flatMap((path) => /ggml-(cpu-\w+)\./.exec(basename(path))?.[1] ?? []).sort();
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
  return {
    gpuLayers: library.backend === 'cpu' ? 0 : model.gpuLayers,
    flash: model.flashAttentionSupported,
    ...vocabularyOf(model),
    openLanes: (init, options = {}) => openLanes(model, init, options),
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
      flashAttention: model.flashAttentionSupported,
      ...(signal === undefined ? {} : { createSignal: signal }),
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
  const sequences = Array.from({ length: init.lanes }, () => context.getSequence());
  const vocab = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
  const laneOf = (lane: number): LlamaContextSequence => {
    const sequence = sequences[lane];
    if (sequence === undefined) throw new RangeError(`expected a lane below ${init.lanes}, got ${lane}`);
    return sequence;
  };
  return {
    evaluate: (calls, topK) =>
      inTurn(() => Promise.all(calls.map((call) => evaluateCall(laneOf(call.lane), call, topK, vocab)))),
    length: (lane) => laneOf(lane).nextTokenIndex,
    async erase(lane, from) {
      const sequence = laneOf(lane);
      if (from === 0) await sequence.clearHistory();
      else if (from < sequence.nextTokenIndex)
        await sequence.eraseContextTokenRanges([{ start: from, end: sequence.nextTokenIndex }]);
    },
    async dispose() {
      await context.dispose();
    },
  };
}

let lastCall: Promise<unknown> = Promise.resolve();

/**
 * One call at a time in the whole process: two at once would fight for the same cores, and spinning threads lose far
 * more than half.
 */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = lastCall.then(work);
  lastCall = turn.catch(() => undefined);
  return turn;
}

/** Logits that are read beyond those asked for. Each costs the engine time; ties are rare. */
const spareLogits = 4;

/** Asks for some more than `topK`, so that a tie with the last one shows; where the tie goes on, again for all. */
async function evaluateCall(
  sequence: LlamaContextSequence,
  call: LaneCall,
  topK: number,
  vocab: number,
): Promise<readonly TopLogits[]> {
  const start = sequence.nextTokenIndex;
  if (start + call.tokens.length >= sequence.contextSize)
    throw new QvacError('E_CONTEXT', `the context of ${sequence.contextSize} tokens is full`);
  for (let asked = Math.min(vocab, topK + spareLogits); ; asked = vocab) {
    const options = {
      generateNext: { logits: true, options: { temperature: 1, topK: asked, topP: 1, minP: 0, seed: 1 } },
    } as const;
    const output = await sequence.controlledEvaluate(
      call.tokens.map((token, at) => (at >= call.logitsFrom ? [token as Token, options] : (token as Token))),
    );
    const tops = output
      .slice(call.logitsFrom)
      .map((item) => topOf(item?.next.logits ?? new Map<number, number>(), topK, asked >= vocab));
    if (tops.every((top) => top !== null)) return tops;
    await sequence.eraseContextTokenRanges([{ start, end: sequence.nextTokenIndex }]);
  }
}

function isMemoryError(error: unknown): boolean {
  return error instanceof Error && (error.name === 'InsufficientMemoryError' || /memory|VRAM/i.test(error.message));
}

/** The first line of an error's message. */
function lineOf(error: unknown): string {
  return messageOf(error).split('\n', 1)[0]?.slice(0, 200) ?? '';
}
