import { basename } from 'node:path';
import { QvacError } from '../../errors.ts';
import { type GgufHeader, numberOf } from './gguf.ts';
import { type TokenTable, tokenTypes } from './token-bytes.ts';

/**
 * The tokenizer of BERT models (protocol section 4.9), as the models were trained with it: Hugging Face's
 * `BertNormalizer` (clean text, Chinese characters apart, accents stripped, lower case), then the longest pieces of
 * each word. llama.cpp's own differs for Hangul, of which it keeps the first sound, and for marks of Indic scripts.
 */
export interface WordPiece {
  /** Without the tokens at the start and the end of a text. */
  encode(text: string): readonly number[];
  /** The tokens in front of a text and behind it. */
  readonly first: number;
  readonly last: number;
}

/** Marks the beginning of a word in a GGUF's vocabulary, where `vocab.txt` marks every other piece with `##`. */
const wordMark = '▁';
/** Characters of a word from which on it is unknown as a whole. */
const maxWordCharacters = 100;

/** Marks in a row. The time to bring them into canonical order grows with the square of their number. */
const maxMarks = 256;

/** llama.cpp's ids for files that do not state theirs: those of `bert-base-uncased`. */
const usualIds = { cls: 101, unknown: 100, separator: 102 };

/** Controls, formats and private characters, but not tab and line ends: they are white space. */
const dropped = /[^\P{Cc}\t\n\r]|[\p{Cf}\p{Co}\uFFFD]/u;
const whiteSpace = /\p{White_Space}/u;
/** ASCII's symbols count, too. */
const punctuation = /[\p{P}!-/:-@[-`{-~]/u;
const mark = /\p{Mn}/u;

/** Chinese characters, each a word of its own. The last but two begin at 2B920, as in all implementations. */
const chinese: readonly (readonly [number, number])[] = [
  [0x4e00, 0x9fff],
  [0x3400, 0x4dbf],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f],
  [0x2b920, 0x2ceaf],
  [0xf900, 0xfaff],
  [0x2f800, 0x2fa1f],
];

/** @throws QvacError E_MODEL for a vocabulary without one of the special tokens */
export function createWordPiece(header: GgufHeader, table: TokenTable): WordPiece {
  const special = (key: string, usual: number): number => {
    const id = numberOf(header, `tokenizer.ggml.${key}_token_id`) ?? usual;
    if (id < table.size) return id;
    throw new QvacError('E_MODEL', `${basename(header.path)} names token ${id} of ${table.size} as ${key}`);
  };
  // The misspelling is that of the format.
  const separator = numberOf(header, 'tokenizer.ggml.seperator_token_id') ?? usualIds.separator;
  const unknown = special('unknown', usualIds.unknown);
  const pieces = new Map<string, number>();
  let longest = 1;
  for (let id = 0; id < table.size; id++) {
    const text = table.textOf(id) ?? '';
    if (text === '' || table.typeOf(id) !== tokenTypes.normal || pieces.has(text)) continue;
    pieces.set(text, id);
    longest = Math.max(longest, text.length);
  }

  /** The longest pieces from left to right, or the unknown token for the whole word. */
  function encodeWord(word: string): readonly number[] {
    // No vocabulary has the mark but at the beginning of a piece.
    if (word.includes(wordMark) || [...word].length > maxWordCharacters) return [unknown];
    const marked = wordMark + word;
    const ids: number[] = [];
    for (let start = 0; start < marked.length; ) {
      let end = Math.min(marked.length, start + longest);
      let id = pieces.get(marked.slice(start, end));
      // The mark alone is no piece of a word.
      while (id === undefined && end > start + (start === 0 ? 2 : 1)) id = pieces.get(marked.slice(start, --end));
      if (id === undefined) return [unknown];
      ids.push(id);
      start = end;
    }
    return ids;
  }

  return {
    encode: (text) => wordsOf(text).flatMap(encodeWord),
    first: special('cls', numberOf(header, 'tokenizer.ggml.bos_token_id') ?? usualIds.cls),
    last: special('eos', separator),
  };
}

/**
 * The words of a text, each punctuation mark and Chinese character one of its own.
 * @throws QvacError E_CONTEXT for a text with more than 256 marks in a row
 */
export function wordsOf(text: string): readonly string[] {
  const words: string[] = [];
  let word = '';
  const end = (): void => {
    if (word !== '') words.push(word);
    word = '';
  };
  for (const character of normalisedCharacters(text)) {
    if (character === ' ') end();
    else if (punctuation.test(character) || isChinese(character)) {
      end();
      words.push(character);
    } else word += character;
  }
  end();
  return words;
}

/** White space as a space, no accents, lower case. */
function* normalisedCharacters(text: string): Generator<string> {
  const clean = cleaned(text);
  for (const [marks] of clean.matchAll(/\p{M}+/gu))
    if (marks.length > maxMarks)
      throw new QvacError('E_CONTEXT', `a text has more than ${maxMarks} combining marks in a row`);
  for (const character of clean.normalize('NFD')) {
    if (mark.test(character)) continue;
    // Character by character: in a whole text the last sigma of a word would become another letter.
    yield* character.toLowerCase();
  }
}

function cleaned(text: string): string {
  let clean = '';
  for (const character of text) {
    if (dropped.test(character)) continue;
    if (whiteSpace.test(character)) clean += ' ';
    else clean += isChinese(character) ? ` ${character} ` : character;
  }
  return clean;
}

function isChinese(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  return code >= 0x3400 && chinese.some(([first, last]) => code >= first && code <= last);
}
