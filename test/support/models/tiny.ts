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
} from './gguf-writer.ts';
import { createNormal } from './numpy-normal.ts';
import { encodeTensor, type Kind, kinds } from './quantise.ts';

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
  /** Edits a tensor's weights before they are written. */
  readonly change?: ((name: string, weights: Float32Array) => Float32Array) | undefined;
}

const shape = { dim: 256, layers: 2, heads: 4, kvHeads: 2, headDim: 64, ffn: 512 };
const logitSpread = 3;

/** Writes the model; the same options give the same bytes. @returns its SHA-256 in hex */
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
  const { tokens, types, merges } = vocabulary(vocab);
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
    words('tokenizer.ggml.model', 'gpt2'),
    words('tokenizer.ggml.pre', 'qwen2'),
    of('tokenizer.ggml.tokens', texts(tokens), 'list'),
    of('tokenizer.ggml.token_type', integers(types), 'list'),
    of('tokenizer.ggml.merges', texts(merges), 'list'),
    number('tokenizer.ggml.bos_token_id', tokens.indexOf('<|endoftext|>')),
    number('tokenizer.ggml.eos_token_id', tokens.indexOf('<|im_end|>')),
    number('tokenizer.ggml.padding_token_id', tokens.indexOf('<|endoftext|>')),
    of('tokenizer.ggml.add_bos_token', Buffer.from([init.addBos === true ? 1 : 0]), 'bool'),
    ...(init.template === null ? [] : [words('tokenizer.chat_template', init.template ?? chatTemplate)]),
  ];
  return arch === 'llama' ? [...list, number('llama.rope.dimension_count', shape.headDim)] : list;
}

const special = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<think>', '</think>'];
const commonWords =
  'the of and to in is that it was for on are as with his they at be this from have or by one had not but what' +
  ' all were when we there can an your which their said if do will each about how up out them then she many some' +
  ' so these would other into has more her two like him see time could no make than first been its who now';

const chatTemplate =
  "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}" +
  "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}" +
  "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}" +
  '{%- endif %}';

/** GPT-2's printable stand-ins for the 256 bytes. */
function byteAlphabet(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint((byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174 ? byte : next++),
  );
}

/**
 * Byte-level BPE: 256 bytes, merges that build common words, filler tokens that only the model produces, five special
 * tokens.
 */
function vocabulary(size: number): { readonly tokens: string[]; readonly types: number[]; readonly merges: string[] } {
  const alphabet = byteAlphabet();
  const tokens = [...alphabet];
  const seen = new Set(tokens);
  const merges: string[] = [];
  const room = size - special.length;
  if (room < 256) throw new RangeError(`expected a vocabulary of at least ${256 + special.length}, got ${size}`);
  for (const word of commonWords.split(' ').flatMap((plain) => [plain, ` ${plain}`])) {
    const symbols = [...Buffer.from(word)].map((byte) => alphabet[byte] ?? '');
    let whole = symbols[0] ?? '';
    for (const symbol of symbols.slice(1)) {
      const merged = whole + symbol;
      if (!seen.has(merged)) {
        if (tokens.length >= room) break;
        seen.add(merged);
        tokens.push(merged);
        merges.push(`${whole} ${symbol}`);
      }
      whole = merged;
    }
  }
  for (let filler = 0; tokens.length < room; filler++) {
    let letters = '';
    for (let rest = filler, at = 0; at < 6; at++, rest = Math.floor(rest / 26))
      letters += String.fromCharCode(97 + (rest % 26));
    const token = `\u0120${letters}_`;
    if (seen.has(token)) continue;
    seen.add(token);
    tokens.push(token);
  }
  // 1 normal, 3 control, 4 user-defined: printed.
  const types = [...tokens.map(() => 1), ...special.map((token) => (token.includes('think') ? 4 : 3))];
  return { tokens: [...tokens, ...special], types, merges };
}
