import { encodeTensor, type Kind, kinds } from '../../../src/model/quantise/encoding.ts';
import {
  f32,
  floats,
  integers,
  type RawTensor,
  type RawValue,
  text,
  texts,
  u32,
  valueTypes,
  writeGguf,
} from '../../../src/model/quantise/gguf-writer.ts';
import { createNormal } from './numpy-normal.ts';
import { byteLevelVocabulary, sentencePieceVocabulary, type TinyVocabulary } from './tiny-vocabulary.ts';

/** A model with random weights: it loads and computes like a real one in milliseconds, but its text is noise. */
export interface TinyInit {
  /** @default 'qwen3' */
  readonly arch?: 'qwen3' | 'llama' | undefined;
  /** @default 'f16' */
  readonly kind?: Kind | undefined;
  /** @default 512 */
  readonly vocab?: number | undefined;
  /** Tokens. @default 4096 */
  readonly context?: number | undefined;
  /** Shares token_embd with the output layer. @default false */
  readonly tied?: boolean | undefined;
  /** @default 1 */
  readonly seed?: number | undefined;
  /** Null leaves it out. @default ChatML */
  readonly template?: string | null | undefined;
  /** @default false */
  readonly addBos?: boolean | undefined;
  /** Byte-level BPE or SentencePiece. @default 'gpt2' */
  readonly family?: 'gpt2' | 'llama' | undefined;
  /** Pre-tokenizer of byte-level BPE. @default 'qwen2' */
  readonly pre?: string | undefined;
  /** Byte tokens of a SentencePiece vocabulary. @default 256 */
  readonly byteTokens?: number | undefined;
  /** Tokens in the place of the vocabulary's last fillers, with their types (`TinyVocabulary`); it has to have some. */
  readonly named?: readonly (readonly [text: string, type: number])[] | undefined;
  /** Further numbers of the file, by key. */
  readonly numbers?: Readonly<Record<string, number>> | undefined;
  /** Edits a tensor's weights before they are written. */
  readonly change?: ((name: string, weights: Float32Array) => Float32Array) | undefined;
}

const shape = { dim: 256, layers: 2, heads: 4, kvHeads: 2, headDim: 64, ffn: 512 };
const logitSpread = 3;

/** Writes the model. SHA-256 in hex; the same bytes for the same choices. */
export async function writeTiny(path: string, init: TinyInit = {}): Promise<string> {
  const { arch = 'qwen3', kind = 'f16', vocab = 512, seed = 1 } = init;
  const tensors = shapes(arch, vocab, init.tied ?? false).map(([name, size]): RawTensor => {
    const to: Kind = size.length === 1 ? 'f32' : kind;
    const count = size.reduce((product, part) => product * part, 1);
    return {
      name,
      dimensions: size.toReversed(),
      type: kinds[to].number,
      bytes: (count / kinds[to].block) * kinds[to].bytes,
      data() {
        const weights = randomWeights(name, size, count, seed);
        return encodeTensor(init.change?.(name, weights) ?? weights, to);
      },
    };
  });
  return await writeGguf(path, metadataOf(arch, kind, vocab, init), tensors);
}

function shapes(
  arch: 'qwen3' | 'llama',
  vocab: number,
  tied: boolean,
): (readonly [name: string, size: readonly number[]])[] {
  const { dim, layers, heads, kvHeads, headDim, ffn } = shape;
  const list: (readonly [string, readonly number[]])[] = [
    ['token_embd.weight', [vocab, dim]],
    ['output_norm.weight', [dim]],
  ];
  if (!tied) list.push(['output.weight', [vocab, dim]]);
  for (let layer = 0; layer < layers; layer++) {
    const of = (name: string): string => `blk.${layer}.${name}.weight`;
    list.push(
      [of('attn_norm'), [dim]],
      [of('attn_q'), [heads * headDim, dim]],
      [of('attn_k'), [kvHeads * headDim, dim]],
      [of('attn_v'), [kvHeads * headDim, dim]],
    );
    list.push(
      [of('attn_output'), [dim, heads * headDim]],
      [of('ffn_norm'), [dim]],
      [of('ffn_gate'), [ffn, dim]],
      [of('ffn_up'), [ffn, dim]],
      [of('ffn_down'), [dim, ffn]],
    );
    if (arch === 'qwen3') list.push([of('attn_q_norm'), [headDim]], [of('attn_k_norm'), [headDim]]);
  }
  return list;
}

/** Each tensor has its own stream, keyed by seed and name. */
function randomWeights(name: string, size: readonly number[], count: number, seed: number): Float32Array {
  const normal = createNormal([seed, ...Buffer.from(name, 'latin1')]);
  const width = Math.sqrt(size[1] ?? 1);
  const weight = (): number => {
    if (size.length === 1) return 1 + 0.1 * normal();
    if (name === 'token_embd.weight') return 0.5 * normal();
    // The final norm has unit rows, so this sets the spread of the logits.
    return name === 'output.weight' ? (logitSpread / width) * normal() : normal() / width;
  };
  const weights = new Float32Array(count);
  for (let at = 0; at < count; at++) weights[at] = weight();
  return weights;
}

function metadataOf(arch: string, kind: Kind, vocab: number, init: TinyInit): RawValue[] {
  const { family = 'gpt2', byteTokens = 256 } = init;
  const isBytes = family === 'gpt2';
  const { tokens, types, merges, scores } = withNamed(
    isBytes ? byteLevelVocabulary(vocab) : sentencePieceVocabulary(vocab, byteTokens),
    init.named ?? [],
  );
  const [bos, eos] = isBytes ? ['<|endoftext|>', '<|im_end|>'] : ['<s>', '</s>'];
  const of = (key: string, bytes: Buffer, type: keyof typeof valueTypes): RawValue => ({
    key,
    type: valueTypes[type],
    bytes,
  });
  const number = (key: string, value: number): RawValue => of(key, u32(value), 'u32');
  const words = (key: string, value: string): RawValue => of(key, text(value), 'text');
  const list = [
    words('general.architecture', arch),
    words('general.type', 'model'),
    words('general.name', 'tiny-random'),
    number('general.file_type', kinds[kind].fileType),
    number('general.quantization_version', 2),
    number(`${arch}.context_length`, init.context ?? 4096),
    number(`${arch}.embedding_length`, shape.dim),
    number(`${arch}.block_count`, shape.layers),
    number(`${arch}.feed_forward_length`, shape.ffn),
    number(`${arch}.attention.head_count`, shape.heads),
    number(`${arch}.attention.head_count_kv`, shape.kvHeads),
    number(`${arch}.attention.key_length`, shape.headDim),
    number(`${arch}.attention.value_length`, shape.headDim),
    of(`${arch}.attention.layer_norm_rms_epsilon`, f32(1e-6), 'f32'),
    of(`${arch}.rope.freq_base`, f32(arch === 'qwen3' ? 1_000_000 : 10_000), 'f32'),
    number(`${arch}.vocab_size`, tokens.length),
    words('tokenizer.ggml.model', family),
    ...(isBytes ? [words('tokenizer.ggml.pre', init.pre ?? 'qwen2')] : []),
    of('tokenizer.ggml.tokens', texts(tokens), 'list'),
    of('tokenizer.ggml.token_type', integers(types), 'list'),
    isBytes ? of('tokenizer.ggml.merges', texts(merges), 'list') : of('tokenizer.ggml.scores', floats(scores), 'list'),
    number('tokenizer.ggml.bos_token_id', tokens.indexOf(bos)),
    number('tokenizer.ggml.eos_token_id', tokens.indexOf(eos)),
    number('tokenizer.ggml.padding_token_id', tokens.indexOf(bos)),
    of('tokenizer.ggml.add_bos_token', Buffer.from([init.addBos === true ? 1 : 0]), 'bool'),
    ...Object.entries(init.numbers ?? {}).map(([key, value]) => number(key, value)),
    ...(init.template === null ? [] : [words('tokenizer.chat_template', init.template ?? chatTemplate)]),
  ];
  return arch === 'llama' ? [...list, number('llama.rope.dimension_count', shape.headDim)] : list;
}

function withNamed(vocabulary: TinyVocabulary, named: NonNullable<TinyInit['named']>): TinyVocabulary {
  const last = vocabulary.tokens.findLastIndex((token) => token.endsWith('_'));
  const first = last - named.length + 1;
  const { tokens, types } = vocabulary;
  return {
    ...vocabulary,
    tokens: tokens.map((token, id) => named[id - first]?.[0] ?? token),
    types: types.map((type, id) => named[id - first]?.[1] ?? type),
  };
}

const chatTemplate =
  "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}" +
  "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}" +
  "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}" +
  '{%- endif %}';
