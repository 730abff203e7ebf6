import type { Tokenizer } from '../engine.ts';

/**
 * The text of an answer as its tokens come (protocol section 4.2): one WHATWG UTF-8 stream, a BOM kept, what is no
 * UTF-8
 * replaced by U+FFFD.
 *
 * ```ts
 * const stream = createTextStream(tokenizer);
 * text += stream.push(token); // '' while a character is incomplete
 * text += stream.end();
 * ```
 */
export interface TextStream {
  /** The text that becomes complete with this token. */
  push(token: number): string;
  /** U+FFFD where the last character stayed incomplete, else nothing. */
  end(): string;
}

export function createTextStream(tokenizer: Pick<Tokenizer, 'bytesOf'>): TextStream {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push: (token) => decoder.decode(tokenizer.bytesOf(token), { stream: true }),
    end: () => decoder.decode(),
  };
}
