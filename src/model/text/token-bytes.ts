import { basename } from 'node:path';
import { QvacError } from '../../errors.ts';
import { type GgufHeader, numbersOf, textOf, textsOf } from './gguf.ts';

/** `tokenizer.ggml.token_type` (llama.h, `llama_token_type`). */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** A file's vocabulary as the file states it. */
export interface TokenTable {
  /** `tokenizer.ggml.model`: byte-level BPE, SentencePiece or WordPiece. */
  readonly family: 'gpt2' | 'llama' | 'bert';
  readonly size: number;
  /** Text as in `tokenizer.ggml.tokens`. */
  textOf(token: number): string | undefined;
  typeOf(token: number): number;
  /** What the token adds to the answer: empty for one that is special, unknown or unused (protocol section 4.2). */
  bytesOf(token: number): Uint8Array;
}

const none = new Uint8Array(0);

/**
 * Reads the vocabulary. Three families: byte-level BPE (`gpt2`), where each character stands for a byte, SentencePiece
 * (`llama`), where `▁` is a space and `<0xAB>` a byte, and WordPiece (`bert`), where `▁` begins a word.
 * @throws QvacError E_MODEL for a file without vocabulary, of another family, with two tokens of one text, or with a
 * SentencePiece vocabulary that cannot write every byte
 */
export function readTokenTable(header: GgufHeader): TokenTable {
  const family = textOf(header, 'tokenizer.ggml.model');
  const texts = textsOf(header, 'tokenizer.ggml.tokens');
  if (texts === undefined || texts.length === 0)
    throw new QvacError('E_MODEL', `${basename(header.path)} holds no vocabulary`);
  if (family !== 'gpt2' && family !== 'llama' && family !== 'bert') {
    throw new QvacError(
      'E_MODEL',
      `${basename(header.path)} has a tokenizer of the family "${family ?? 'none'}", which is not supported`,
      { hint: 'byte-level BPE ("gpt2"), SentencePiece ("llama") and WordPiece ("bert") are' },
    );
  }
  const types = numbersOf(header, 'tokenizer.ggml.token_type') ?? [];
  if (types.length !== 0 && types.length !== texts.length)
    throw new QvacError(
      'E_MODEL',
      `${basename(header.path)} is corrupt (${types.length} token types for ${texts.length} tokens)`,
    );
  checkDistinct(header, texts);
  if (family === 'llama') checkBytes(header, texts);
  const decode = family === 'gpt2' ? bytesOfByteLevel : bytesOfSentencePiece;
  const typeOf = (token: number): number => types[token] ?? tokenTypes.normal;
  return {
    family,
    size: texts.length,
    textOf: (token) => texts[token],
    typeOf,
    bytesOf(token) {
      const text = texts[token];
      if (text === undefined) return none;
      switch (typeOf(token)) {
        case tokenTypes.normal:
          return decode(text);
        case tokenTypes.userDefined:
          return Buffer.from(text, 'utf8');
        case tokenTypes.byte:
          return byteOf(text) ?? decode(text);
        default:
          return none;
      }
    },
  };
}

/** The engine ends the process at a text that two tokens have; those without a text get one from it. */
function checkDistinct(header: GgufHeader, texts: readonly string[]): void {
  const known = new Set<string>();
  for (const [token, text] of texts.entries()) {
    const name = text === '' ? `[EMPTY_${token}]` : text;
    if (known.has(name))
      throw new QvacError(
        'E_MODEL',
        `${basename(header.path)} is corrupt (token ${token} has the text of another one)`,
      );
    known.add(name);
  }
}

/**
 * The engine writes a character without a token byte by byte, and ends the process if a byte has no token: `<0xAB>`, or
 * for ASCII the character itself.
 */
function checkBytes(header: GgufHeader, texts: readonly string[]): void {
  const known = new Set(texts);
  for (let byte = 0; byte < 256; byte++) {
    const name = `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
    if (known.has(name) || (byte < 0x80 && known.has(String.fromCharCode(byte)))) continue;
    throw new QvacError('E_MODEL', `${basename(header.path)} has no token for the byte ${name}`, {
      hint: 'its vocabulary cannot write every text; convert the model again with its byte tokens',
    });
  }
}

/** GPT-2's printable stand-ins: bytes that print stand for themselves, the rest for U+0100 onwards in order. */
const byteOfCharacter: ReadonlyMap<string, number> = new Map(standIns());

function* standIns(): Generator<[string, number]> {
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const prints = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    yield [String.fromCodePoint(prints ? byte : next++), byte];
  }
}

function bytesOfByteLevel(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const byte = byteOfCharacter.get(character);
    // A character that stands for no byte can only mean itself.
    if (byte === undefined) bytes.push(...Buffer.from(character, 'utf8'));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

function bytesOfSentencePiece(text: string): Uint8Array {
  return Buffer.from(text.replaceAll('▁', ' '), 'utf8');
}

function byteOf(text: string): Uint8Array | null {
  const hex = /^<0x([0-9A-Fa-f]{2})>$/.exec(text)?.[1];
  return hex === undefined ? null : Uint8Array.of(Number.parseInt(hex, 16));
}
