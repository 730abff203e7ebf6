import { QvacError } from '../../errors.ts';
import type { Vocabulary } from '../run/weights.ts';
import { type GgufHeader, textOf } from './gguf.ts';

/** Characters of a run. The engine fails at 23,000, and a run may have another one behind it in the same search. */
const maxRun = 8_192;
/** Of a run whose time grows with the square of its length. */
const maxReadAgain = 128;

/** `tokenizer.ggml.pre` of those that the library splits by loops of its own: any text is safe. */
const looped: ReadonlySet<string> = new Set([
  'a.x-4.0',
  'chameleon',
  'chatglm-bpe',
  'codeshell',
  'command-r',
  'dbrx',
  'deepseek-r1-qwen',
  'exaone',
  'exaone4',
  'f2llmv2',
  'falcon-h1',
  'falcon3',
  'gigachat',
  'glm4',
  'gpt-2',
  'granite-docling',
  'granite-embed-multi-311m',
  'grok-2',
  'hunyuan',
  'jais',
  'jina-de',
  'jina-es',
  'jina-v1-en',
  'jina-v2-code',
  'jina-v2-de',
  'jina-v2-es',
  'jina-v5-nano',
  'kimi-k2',
  'kormo',
  'lfm2',
  'llama-bpe',
  'llama-v3',
  'llama3',
  'megrez',
  'mellum',
  'midm-2.0',
  'minerva-7b',
  'modern-bert',
  'mpt',
  'olmo',
  'phi-2',
  'pixtral',
  'qwen2',
  'qwen35',
  'refact',
  'roberta-bpe',
  'sarvam-moe',
  'smaug-bpe',
  'smollm',
  'solar-open',
  'stablelm2',
  'starcoder',
  'trillion',
]);

/** A run, and its characters at most. */
type Limit = readonly [run: RegExp, most: number];

const whiteSpace: Limit = [/\p{White_Space}+/gu, maxRun];
/**
 * Letters, digits, or other signs with line ends. Unicode tables differ, and some pre-tokenizers have ranges of their
 * own: beyond ASCII a character belongs to all three.
 */
const ofOneKind: readonly Limit[] = [
  [/[A-Za-z\u{80}-\u{10ffff}]+/gu, maxRun],
  [/[0-9\u{80}-\u{10ffff}]+/gu, maxRun],
  [/[^A-Za-z0-9 \t\v\f]+/gu, maxRun],
  whiteSpace,
];
const withoutSpace: readonly Limit[] = [[/[^ \t-\r]+/gu, maxRun], whiteSpace];
const ofOneLine: readonly Limit[] = [[/[^\r\n]+/gu, maxRun], whiteSpace];

/** Of those whose runs hold several kinds of characters, or that read a run again from each of its characters. */
const others: ReadonlyMap<string, readonly Limit[]> = new Map([
  ['bloom', withoutSpace],
  ['deepseek-llm', withoutSpace],
  ['exaone-moe', ofOneLine],
  ['gpt3-finnish', withoutSpace],
  ['poro-chat', withoutSpace],
  ['superbpe', [...ofOneKind, [/\p{N}+/gu, maxReadAgain]]],
  ['viking', withoutSpace],
]);

/**
 * The vocabulary with a `tokenize` that no text can end the process with. llama.cpp splits the texts of most byte-level
 * BPE files by `std::regex`, which calls itself for every character of a run, and overflows the stack at 23,000 of them
 * (llama.cpp issue 27783).
 * @throws QvacError E_CONTEXT, by `tokenize`, for a text with a longer run than the file's pre-tokenizer can take
 */
export function withoutLongRuns(vocabulary: Vocabulary, header: GgufHeader): Vocabulary {
  const name = textOf(header, 'tokenizer.ggml.pre') ?? 'default';
  if (textOf(header, 'tokenizer.ggml.model') !== 'gpt2' || looped.has(name)) return vocabulary;
  const limits = others.get(name) ?? ofOneKind;
  const exceeded = (text: string): Limit | undefined => limits.find((limit) => isBeyond(text, limit));
  return {
    isStop: (token) => vocabulary.isStop(token),
    tokenize(text) {
      const [, most] = exceeded(text) ?? [];
      if (most !== undefined)
        throw new QvacError('E_CONTEXT', `a text has more than ${most} characters that the engine cannot split`, {
          hint: 'put spaces or line ends between them, or use another model',
        });
      return vocabulary.tokenize(text);
    },
  };
}

function isBeyond(text: string, [run, most]: Limit): boolean {
  if (text.length <= most) return false;
  for (const [found] of text.matchAll(run)) if (found.length > most) return true;
  return false;
}
