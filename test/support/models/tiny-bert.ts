import { encodeTensor, type Kind, kinds } from '../../../src/model/quantise/encoding.ts';
import {
  f32,
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

/** A BERT model with random weights: it embeds texts in milliseconds, and its vectors mean nothing. */
export interface TinyBertInit {
  /** @default 'f16' */
  readonly kind?: Kind | undefined;
  /** Tokens of a text at most. @default 64 */
  readonly context?: number | undefined;
  /** @default 1 */
  readonly seed?: number | undefined;
  /** llama.h's `llama_pooling_type`. @default 1: mean */
  readonly pooling?: number | undefined;
  /** Edits a tensor's weights before they are written. */
  readonly change?: ((name: string, weights: Float32Array) => Float32Array) | undefined;
}

const shape = { dim: 64, layers: 2, heads: 4, ffn: 128 };

const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const words =
  'the of and to in is that it was for on are as with his they at be this from have or by one had not but what all ' +
  'hello world text embed vector token привет мир καλημερα kosmos naive cafe strasse';
const letters =
  'abcdefghijklmnopqrstuvwxyz0123456789ßıæø\u1112\u1161\u11ab' +
  'абвгдежзийклмнопрстуфхцчшщъыьэюяαβγδεζηθικλμνξοπρστυφχψω';
const alone = `!"#$%&'()*+,-./:;<=>?@[\\]^_\`{|}~…—“”€你好世界文本カタひら`;

/** As `vocab.txt` says it, in the spelling of a GGUF: a word begins with `▁`, any other piece has no `##`. */
function tinyBertVocabulary(): { readonly tokens: readonly string[]; readonly types: readonly number[] } {
  const pieces = [
    '[unused1]',
    ...words.split(' ').map((word) => `▁${word}`),
    ...[...letters, ...alone].map((one) => `▁${one}`),
    ...letters,
    ...['ing', 'ed', 'er', 'es', 'able'],
  ];
  const tokens = [...special, ...new Set(pieces)];
  return { tokens, types: tokens.map((token) => (special.includes(token) ? 3 : token.startsWith('[unused') ? 5 : 1)) };
}

/** Writes the model. SHA-256 in hex; the same bytes for the same choices. */
export async function writeTinyBert(path: string, init: TinyBertInit = {}): Promise<string> {
  const { kind = 'f16', seed = 1, context = 64 } = init;
  const { tokens } = tinyBertVocabulary();
  const tensors = shapes(tokens.length, context).map(([name, size]): RawTensor => {
    const isMatrix = size.length === 2 && !/norm|position|types/.test(name);
    const to: Kind = isMatrix ? kind : 'f32';
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
  return await writeGguf(path, metadataOf(kind, context, init.pooling ?? 1), tensors);
}

function shapes(vocab: number, context: number): (readonly [name: string, size: readonly number[]])[] {
  const { dim, layers, ffn } = shape;
  const list: (readonly [string, readonly number[]])[] = [
    ['token_embd.weight', [vocab, dim]],
    ['position_embd.weight', [context, dim]],
    ['token_types.weight', [2, dim]],
    ['token_embd_norm.weight', [dim]],
    ['token_embd_norm.bias', [dim]],
  ];
  for (let layer = 0; layer < layers; layer++) {
    const both = (name: string, size: readonly number[]): (readonly [string, readonly number[]])[] => [
      [`blk.${layer}.${name}.weight`, size],
      [`blk.${layer}.${name}.bias`, [size[0] ?? 1]],
    ];
    list.push(
      ...both('attn_q', [dim, dim]),
      ...both('attn_k', [dim, dim]),
      ...both('attn_v', [dim, dim]),
      ...both('attn_output', [dim, dim]),
      ...both('attn_output_norm', [dim]),
      ...both('ffn_up', [ffn, dim]),
      ...both('ffn_down', [dim, ffn]),
      ...both('layer_output_norm', [dim]),
    );
  }
  return list;
}

/** Each tensor has its own stream, keyed by seed and name. */
function randomWeights(name: string, size: readonly number[], count: number, seed: number): Float32Array {
  const normal = createNormal([seed, ...Buffer.from(name, 'latin1')]);
  const width = Math.sqrt(size[1] ?? 1);
  const isScale = name.includes('norm') && name.endsWith('.weight');
  const weights = new Float32Array(count);
  for (let at = 0; at < count; at++)
    weights[at] = isScale ? 1 + 0.1 * normal() : size.length === 1 ? 0.05 * normal() : normal() / width;
  return weights;
}

function metadataOf(kind: Kind, context: number, pooling: number): RawValue[] {
  const { tokens, types } = tinyBertVocabulary();
  const of = (key: string, bytes: Buffer, type: keyof typeof valueTypes): RawValue => ({
    key,
    type: valueTypes[type],
    bytes,
  });
  const number = (key: string, value: number): RawValue => of(key, u32(value), 'u32');
  const words = (key: string, value: string): RawValue => of(key, text(value), 'text');
  const id = (token: string): number => tokens.indexOf(token);
  return [
    words('general.architecture', 'bert'),
    words('general.type', 'model'),
    words('general.name', 'tiny-embed'),
    number('general.file_type', kinds[kind].fileType),
    number('general.quantization_version', 2),
    number('bert.context_length', context),
    number('bert.embedding_length', shape.dim),
    number('bert.block_count', shape.layers),
    number('bert.feed_forward_length', shape.ffn),
    number('bert.attention.head_count', shape.heads),
    of('bert.attention.layer_norm_epsilon', f32(1e-12), 'f32'),
    of('bert.attention.causal', Buffer.from([0]), 'bool'),
    number('bert.pooling_type', pooling),
    number('bert.vocab_size', tokens.length),
    words('tokenizer.ggml.model', 'bert'),
    words('tokenizer.ggml.pre', 'default'),
    of('tokenizer.ggml.tokens', texts(tokens), 'list'),
    of('tokenizer.ggml.token_type', integers(types), 'list'),
    number('tokenizer.ggml.token_type_count', 2),
    number('tokenizer.ggml.bos_token_id', id('[CLS]')),
    number('tokenizer.ggml.cls_token_id', id('[CLS]')),
    number('tokenizer.ggml.eos_token_id', id('[SEP]')),
    number('tokenizer.ggml.seperator_token_id', id('[SEP]')),
    number('tokenizer.ggml.unknown_token_id', id('[UNK]')),
    number('tokenizer.ggml.padding_token_id', id('[PAD]')),
    number('tokenizer.ggml.mask_token_id', id('[MASK]')),
  ];
}
