import type { GgufValue } from './gguf-types.ts';

/** LLAMA_MAX_LAYERS and LLAMA_MAX_EXPERTS of the native loader. */
const maxBlocks = 512;
const maxExperts = 512;
/** The loader multiplies two of these sizes in 32 bits. */
const maxFactor = 2 ** 15;
const required = ['block_count', 'embedding_length'];
const factors = ['attention.head_count', 'attention.head_count_kv', 'attention.key_length', 'attention.value_length'];
const positive = ['context_length', 'feed_forward_length', ...factors];
const scalings: readonly GgufValue[] = ['none', 'linear', 'yarn', 'longrope'];
/** llama.h, `llama_pooling_type` */
const poolings: readonly GgufValue[] = [0, 1, 2, 3, 4];

/**
 * What is wrong with the sizes that the native loader does not check: it ends the process at one that is missing, zero
 * or beyond its bound. Null if they are sound, or the file is a later one of a split model: it contains weights alone.
 */
export function shapeFault(metadata: ReadonlyMap<string, GgufValue>, tensors: readonly string[]): string | null {
  const arch = metadata.get('general.architecture');
  if (typeof arch !== 'string') return null;
  const of = (name: string): GgufValue | undefined => metadata.get(`${arch}.${name}`);
  const missing = missingSize(of, tensors);
  if (missing !== undefined) return `is corrupt or not a language model (${arch}.${missing})`;
  const beyond = sizeBeyondBounds(of) ?? impossibleValue(of);
  return beyond === undefined ? null : `is corrupt (${arch}.${beyond})`;
}

type ValueOf = (name: string) => GgufValue | undefined;

function missingSize(of: ValueOf, tensors: readonly string[]): string | undefined {
  const needed = new Set(required);
  if (tensors.some((name) => name.includes('.attn_'))) needed.add('attention.head_count');
  if (tensors.some((name) => name.endsWith('.ffn_down.weight'))) needed.add('feed_forward_length');
  return [...required, ...positive].find((name) => {
    const value = of(name);
    // Of the values per layer some may be zero.
    return value === undefined ? needed.has(name) : !valuesOf(value).some((each) => isAtLeast(each, 1));
  });
}

function sizeBeyondBounds(of: ValueOf): string | undefined {
  const blocks = of('block_count');
  const experts = of('expert_count') ?? 0;
  const used = of('expert_used_count') ?? 0;
  const predicted = of('nextn_predict_layers') ?? 0;
  if (!isWithin(blocks, maxBlocks)) return 'block_count';
  if (!isWithin(experts, maxExperts)) return 'expert_count';
  if (!valuesOf(used).every((each) => isWithin(each, experts))) return 'expert_used_count';
  if (experts > 0 && !valuesOf(used).some((each) => isAtLeast(each, 1))) return 'expert_used_count';
  if (!isWithin(predicted, blocks)) return 'nextn_predict_layers';
  return factors.find((name) => valuesOf(of(name) ?? 1).some((each) => !isWithin(each, maxFactor)));
}

function impossibleValue(of: ValueOf): string | undefined {
  if (!scalings.includes(of('rope.scaling.type') ?? 'none')) return 'rope.scaling.type';
  if (!poolings.includes(of('pooling_type') ?? 0)) return 'pooling_type';
  return ['attention.layer_norm_rms_epsilon', 'attention.layer_norm_epsilon'].find(
    (name) => !isAtLeast(of(name) ?? 0, 0),
  );
}

function valuesOf(value: GgufValue): readonly (string | number | boolean)[] {
  return typeof value === 'object' ? value : [value];
}

function isAtLeast(value: GgufValue, least: number): value is number {
  return typeof value === 'number' && value >= least;
}

function isWithin(value: GgufValue | undefined, most: number): value is number {
  return typeof value === 'number' && value >= 0 && value <= most;
}
