import { type Finish, finish } from '../../protocol/codes.ts';

/**
 * The text of one job, as its tokens come (sections 4.2 and 4.6): the bytes of the whole answer as one stream of UTF-8,
 * without the characters that the continuation alone completes. A byte order mark is kept; what is not UTF-8 becomes
 * U+FFFD.
 */
export class AnswerText {
  readonly #bytesOf: (token: number) => Uint8Array;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /**
   * @param bytesOf the bytes that a token adds to the text
   * @param continuation tokens of the answer before this job
   */
  constructor(bytesOf: (token: number) => Uint8Array, continuation: readonly number[] = []) {
    this.#bytesOf = bytesOf;
    for (const token of continuation) this.push(token);
  }

  /** The text that becomes complete with a token. */
  push(token: number): string {
    const bytes = this.#bytesOf(token);
    return bytes.length === 0 ? '' : this.#decoder.decode(bytes, { stream: true });
  }

  /**
   * What an incomplete last character becomes: U+FFFD, or nothing if another job may complete it (broken off, or no
   * final head).
   */
  end(reason: Finish): string {
    return reason === finish.brokenOff || reason === finish.notFinal ? '' : this.#decoder.decode();
  }
}

/** The text of a job's tokens behind a continuation. */
export function textOf(
  bytesOf: (token: number) => Uint8Array,
  continuation: readonly number[],
  tokens: readonly number[],
  reason: Finish,
): string {
  const text = new AnswerText(bytesOf, continuation);
  const pieces = tokens.map((token) => text.push(token));
  return pieces.join('') + text.end(reason);
}
