import type { Input } from './input.ts';

/** What a provider's card lists in `can` if its model's file has the tokens to fill a gap. */
export const fillsGaps = 'fim';

/** The tokens that stand in front of the text before a gap, of the text behind it, and of what fills it. */
export interface GapTokens {
  readonly prefix: number;
  readonly suffix: number;
  readonly middle: number;
}

const parts = ['prefix', 'suffix', 'middle'] as const;

/** Their keys in a GGUF file, the newer first. */
const keys: readonly Readonly<Record<keyof GapTokens, string>>[] = [
  {
    prefix: 'tokenizer.ggml.fim_pre_token_id',
    suffix: 'tokenizer.ggml.fim_suf_token_id',
    middle: 'tokenizer.ggml.fim_mid_token_id',
  },
  {
    prefix: 'tokenizer.ggml.prefix_token_id',
    suffix: 'tokenizer.ggml.suffix_token_id',
    middle: 'tokenizer.ggml.middle_token_id',
  },
];

/** Their texts in the vocabularies of families whose files may lack the keys. */
const texts: readonly Readonly<Record<keyof GapTokens, string>>[] = [
  // Qwen Coder, Granite and StarCoder, DeepSeek Coder, Code Llama, GLM.
  { prefix: '<|fim_prefix|>', suffix: '<|fim_suffix|>', middle: '<|fim_middle|>' },
  { prefix: '<fim_prefix>', suffix: '<fim_suffix>', middle: '<fim_middle>' },
  { prefix: '<fim-prefix>', suffix: '<fim-suffix>', middle: '<fim-middle>' },
  { prefix: '<｜fim▁begin｜>', suffix: '<｜fim▁hole｜>', middle: '<｜fim▁end｜>' },
  { prefix: '▁<PRE>', suffix: '▁<SUF>', middle: '▁<MID>' },
  { prefix: '<PRE>', suffix: '<SUF>', middle: '<MID>' },
  { prefix: '<|code_prefix|>', suffix: '<|code_suffix|>', middle: '<|code_middle|>' },
];

/** A file's vocabulary and its numbers by key. */
export interface GapFacts {
  readonly size: number;
  readonly textOf: (id: number) => string | null;
  readonly numberOf: (key: string) => number | undefined;
  readonly stops: readonly number[];
}

/** Section 2: the tokens of a file with which its model fills gaps; null if it has none. */
export function gapTokensOf({ size, textOf, numberOf, stops }: GapFacts): GapTokens | null {
  const wanted = new Set(texts.flatMap((row) => Object.values(row)));
  const ids = new Map<string, number>();
  for (let id = 0; id < size; id++) {
    const text = textOf(id);
    if (text !== null && wanted.has(text) && !ids.has(text)) ids.set(text, id);
  }
  const isUsable = (id: number): boolean => id < size && !stops.includes(id) && (textOf(id) ?? '') !== '';
  const rows = [
    ...keys.map((row) => parts.map((part) => numberOf(row[part]))),
    ...texts.map((row) => parts.map((part) => ids.get(row[part]))),
  ];
  for (const [prefix, suffix, middle] of rows) {
    if (prefix === undefined || suffix === undefined || middle === undefined) continue;
    if (new Set([prefix, suffix, middle]).size === 3 && [prefix, suffix, middle].every(isUsable))
      return { prefix, suffix, middle };
  }
  return null;
}

/** The texts around the gap of an input of the template "fim". */
export function aroundGap({ messages }: Input): { readonly prefix: string; readonly suffix: string } {
  const [prefix, suffix] = messages;
  return { prefix: prefix?.content ?? '', suffix: suffix?.content ?? '' };
}
