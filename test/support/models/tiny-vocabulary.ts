const special = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<think>', '</think>'];
const commonWords =
  'the of and to in is that it was for on are as with his they at be this from have or by one had not but what' +
  ' all were when we there can an your which their said if do will each about how up out them then she many some' +
  ' so these would other into has more her two like him see time could no make than first been its who now';

export interface TinyVocabulary {
  readonly tokens: readonly string[];
  /** As in `tokenizer.ggml.token_type`: 1 normal, 2 unknown, 3 control, 4 user-defined (printed), 6 byte. */
  readonly types: readonly number[];
  /** Of byte-level BPE. */
  readonly merges: readonly string[];
  /** Of SentencePiece. */
  readonly scores: readonly number[];
}

/** GPT-2's printable stand-ins for the 256 bytes. */
function byteAlphabet(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint((byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174 ? byte : next++),
  );
}

/**
 * Byte-level BPE: 256 bytes, merges that build common words, filler that only the model can say, five special tokens.
 */
export function byteLevelVocabulary(size: number): TinyVocabulary {
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
  const types = [...tokens.map(() => 1), ...special.map((token) => (token.includes('think') ? 4 : 3))];
  return { tokens: [...tokens, ...special], types, merges, scores: [] };
}

/** SentencePiece, as files of the Llama 2 era have it; a real one has all 256 byte tokens. */
export function sentencePieceVocabulary(size: number, byteTokens: number): TinyVocabulary {
  const byteNames = Array.from(
    { length: byteTokens },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  const start = ['<unk>', '<s>', '</s>', ...byteNames];
  const printable = Array.from({ length: 94 }, (_, at) => String.fromCharCode(33 + at));
  const pieces = [
    '▁',
    ...printable,
    ...'éèüñ',
    ...commonWords.split(' ').map((word) => `▁${word}`),
    '[INST]',
    '[/INST]',
  ];
  const tokens = [...new Set([...start, ...pieces])];
  while (tokens.length < size) tokens.push(`▁pad${tokens.length}_`);
  const types = tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < start.length ? 6 : 1));
  const scores = tokens.map((_, id) => (id < start.length ? 0 : -id));
  return { tokens, types, merges: [], scores };
}
