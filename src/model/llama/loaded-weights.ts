import type { LlamaModel, Token } from 'node-llama-cpp';
import { QvacError } from '../../errors.ts';
import type { AbortOptions } from '../../lib/types.ts';
import { hasTokensOnly, isCuttable } from '../run/memory-plan.ts';
import { internalsOfSequence } from '../run/native/internals.ts';
import { createLanes } from '../run/native/lanes.ts';
import { byLane } from '../run/native/native-call.ts';
import type { NativeSequence } from '../run/native/public-evaluate.ts';
import type { Lanes, LanesInit, Pool, PoolInit, Vocabulary, Weights } from '../run/weights.ts';
import type { GgufHeader } from '../text/gguf.ts';
import { type Library, lineOf, loadModel } from './library.ts';

export interface LoadOptions extends AbortOptions {
  /** Told while the weights are read, from 0 to 1. */
  readonly onLoad?: ((share: number) => void) | undefined;
}

/** @throws QvacError as `loadModel` */
export async function loadWeights(
  library: Library,
  header: GgufHeader,
  { signal, onLoad }: LoadOptions,
): Promise<Weights> {
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

export function vocabularyOf(model: LlamaModel): Vocabulary {
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
