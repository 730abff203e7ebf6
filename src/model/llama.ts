import { stat } from 'node:fs/promises';
import { QvacError } from '../errors.ts';
import type { Logger } from '../lib/log.ts';
import type { Engine, EngineInit, Tokenizer } from './engine.ts';
import { shardPaths } from './fetch/shards.ts';
import { type Library, loadLibrary, loadModel, logTo, platformOf } from './llama/library.ts';
import { type LoadOptions, loadWeights, vocabularyOf } from './llama/loaded-weights.ts';
import { createEmbeddingEngine } from './run/embedding-engine.ts';
import { createEngine, type Platform } from './run/engine.ts';
import { isCuttable, type MemoryPlan, memoryPlans, tokenBytesOf } from './run/memory-plan.ts';
import { dimensionsOfFile } from './text/embedding-facts.ts';
import { type GgufHeader, readGguf } from './text/gguf.ts';
import { readTokenTable } from './text/token-bytes.ts';
import { createTokenizer, trainedContextOf } from './text/tokenizer.ts';

/** `onLoad` is told again when the weights are read again after a rest. */
export interface EngineOptions extends LoadOptions {
  /** Gets what llama.cpp says, at debug. @default says nothing */
  readonly logger?: Logger | undefined;
}

/**
 * Loads a model for generation and re-execution. The library itself is loaded by the first call.
 * @throws QvacError E_MODEL if the file cannot be used, E_ENGINE if the engine or memory is lacking
 */
export async function openEngine(init: EngineInit, options: EngineOptions = {}): Promise<Engine> {
  const logger = logTo(options.logger);
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

/**
 * The tokenizer alone: no weights are read. Its context is the model's trained one if none is named.
 * @throws QvacError as `openEngine`
 */
export async function openTokenizer(
  init: Pick<EngineInit, 'modelPath' | 'modelId' | 'name' | 'context'>,
  options: EngineOptions = {},
): Promise<Tokenizer> {
  logTo(options.logger);
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
