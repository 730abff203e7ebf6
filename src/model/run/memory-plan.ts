import type { EngineInit } from '../engine.ts';
import { type GgufHeader, numberOf, numbersOf, textOf } from '../text/gguf.ts';

/** How the memory for histories is shared out. */
export interface MemoryPlan {
  /** Tokens of prompt and answer together, of each history. */
  readonly context: number;
  /** Jobs decoded at the same time. */
  readonly slots: number;
  /** Most prompts that are kept between jobs. There is a history for each, or for each slot if these are more. */
  readonly maxKept: number;
}

export interface MemoryFacts {
  /** Bytes that one token takes in a history. */
  readonly tokenBytes: number;
  /** Bytes that are free once the weights are loaded. */
  readonly freeBytes: number;
  /** Tokens of the model's trained context. */
  readonly trainedContext: number;
  /** True if a history can be cut anywhere. */
  readonly isCuttable: boolean;
}

/** Contexts in tokens to choose from, if none is named, and the one below which slots are given up first. */
const contexts: readonly number[] = [32_768, 16_384, 8_192, 4_096, 2_048];
const usualContext = 8_192;
/** Slots to choose from, if the number is left to the memory. */
const slotCounts: readonly number[] = [4, 2, 1];
/** Prompts that are kept, if the number is left to the memory. */
const usualKept = 4;
/** Kept prompts beyond the slots may not make the histories take more than this share. */
const keptShare = 0.25;
/** The rest stays for other programs, and for what computing takes besides histories. */
const freeShare = 0.5;

/**
 * The plans to try, best first. A longer context than the usual one gives way before slots do, and slots before the
 * usual context; with `upTo` slots always do before the context. The last plan is there whatever the memory, so that
 * the engine's own error says what is missing.
 */
export function memoryPlans(
  init: Pick<EngineInit, 'context' | 'slots' | 'scoreSlots' | 'keepPrompts'>,
  facts: MemoryFacts,
): readonly MemoryPlan[] {
  const { trainedContext, tokenBytes, freeBytes } = facts;
  const { scoreSlots = 0 } = init;
  const lengths = init.context === undefined ? contexts.map((each) => Math.min(each, trainedContext)) : [init.context];
  const { slots: asked = 1 } = init;
  const counts =
    asked === 'auto'
      ? slotCounts
      : typeof asked === 'number'
        ? [asked]
        : slotCounts.filter((count) => count <= asked.upTo);
  const usual = lengths.find((context) => context <= usualContext) ?? lengths.at(-1) ?? usualContext;
  const plans = [...new Set(lengths)].flatMap((context) => {
    const isFewerFirst = typeof asked === 'object' || context === usual;
    const tried = isFewerFirst ? counts : context > usual ? counts.slice(0, 1) : counts.slice(-1);
    return tried.map((slots) => ({ context, slots, maxKept: maxKeptOf(init, facts, context, slots) }));
  });
  return plans.filter(
    ({ context, slots }, at) =>
      at === plans.length - 1 || context * (slots + scoreSlots) * tokenBytes <= freeBytes * freeShare,
  );
}

function maxKeptOf(
  { keepPrompts = 0 }: Pick<EngineInit, 'keepPrompts'>,
  { tokenBytes, freeBytes, isCuttable }: MemoryFacts,
  context: number,
  slots: number,
): number {
  if (!isCuttable) return 0;
  if (keepPrompts !== 'auto') return keepPrompts;
  const fitting = Math.floor((freeBytes * keptShare) / Math.max(1, context * tokenBytes));
  return Math.max(slots, Math.min(usualKept, fitting));
}

/** Keys that a file has if its layers look back over a window only. */
const windowKeys = /sliding_window|chunk_size/;
/** Keys that a file has if its layers keep a state instead of the tokens. */
const stateKeys = /\.(ssm|wkv|rwkv|shortconv|kda|xlstm|time_mix|token_shift)/;

/** False if the file says that a history does not hold all of its tokens. */
export function isCuttable(header: GgufHeader): boolean {
  return !hasKey(header, windowKeys) && hasTokensOnly(header);
}

/** False if the file says that a history is not made of tokens alone, so that none can leave it again. */
export function hasTokensOnly(header: GgufHeader): boolean {
  return !hasKey(header, stateKeys);
}

function hasKey(header: GgufHeader, keys: RegExp): boolean {
  const arch = textOf(header, 'general.architecture') ?? '';
  return [...header.metadata].some(
    ([key, value]) => key.startsWith(`${arch}.`) && keys.test(key) && value !== 0 && value !== false,
  );
}

/** Bytes of keys and values that one token takes in all layers, at 16 bits each; 0 if the file does not tell. */
export function tokenBytesOf(header: GgufHeader): number {
  const arch = textOf(header, 'general.architecture') ?? '';
  const layers = numberOf(header, `${arch}.block_count`) ?? 0;
  const heads = numberOf(header, `${arch}.attention.head_count`) ?? 0;
  const width = heads > 0 ? (numberOf(header, `${arch}.embedding_length`) ?? 0) / heads : 0;
  const keys = numberOf(header, `${arch}.attention.key_length`) ?? width;
  const values = numberOf(header, `${arch}.attention.value_length`) ?? width;
  const perLayer = numbersOf(header, `${arch}.attention.head_count_kv`);
  const kvHeads =
    perLayer?.reduce((sum, each) => sum + each, 0) ??
    layers * (numberOf(header, `${arch}.attention.head_count_kv`) ?? heads);
  return 2 * kvHeads * (keys + values);
}
