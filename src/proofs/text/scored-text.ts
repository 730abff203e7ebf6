import { type Finish, finish } from '../../protocol/codes.ts';
import { AnswerText } from './answer-text.ts';

/** The bytes that a token adds to a text. */
export type BytesOf = (token: number) => Uint8Array;

/**
 * What the tokens of an answer spell, as a referee says it (section 4.7): the JSON of a list with the piece of each
 * token, a pair if it is another with `markers`, and last what an incomplete last character becomes.
 */
export class ScoredText {
  readonly #plain: AnswerText;
  readonly #marked: AnswerText;
  #isBegun = false;

  /** @param markedBytesOf with the texts of control tokens */
  constructor(bytesOf: BytesOf, markedBytesOf: BytesOf) {
    this.#plain = new AnswerText(bytesOf);
    this.#marked = new AnswerText(markedBytesOf);
  }

  /** What a token adds to the JSON text. */
  push(token: number): string {
    const before = this.#isBegun ? ',' : '[';
    this.#isBegun = true;
    return before + itemOf(this.#plain.push(token), this.#marked.push(token));
  }

  /** The end of the JSON text. */
  end(): string {
    return `,${itemOf(this.#plain.end(finish.scored), this.#marked.end(finish.scored))}]`;
  }
}

function itemOf(plain: string, marked: string): string {
  return JSON.stringify(plain === marked ? plain : [plain, marked]);
}

/** The whole JSON text of an answer, which has a token. */
export function scoredTextOf(tokens: readonly number[], bytesOf: BytesOf, markedBytesOf: BytesOf): string {
  const text = new ScoredText(bytesOf, markedBytesOf);
  return tokens.map((token) => text.push(token)).join('') + text.end();
}

/** Pieces of an answer: one for each token, and its end. */
export interface Pieces {
  /** The text of the tokens from `from` to `to`; of the last ones with what the answer's end adds. */
  between(from: number, to: number, reason: Finish): string;
}

/**
 * The pieces in a JSON text of `n` tokens.
 * @param hasMarkers those with the texts of control tokens
 * @returns null for any other form
 */
export function piecesIn(json: string, n: number, hasMarkers: boolean): Pieces | null {
  const items = parsed(json);
  if (!Array.isArray(items) || items.length !== n + 1) return null;
  const pieces = items.map((item: unknown) => pieceIn(item, hasMarkers));
  if (pieces.includes(null)) return null;
  return {
    between(from, to, reason) {
      const hasEnd = to === n && reason !== finish.brokenOff && reason !== finish.notFinal;
      return pieces.slice(from, hasEnd ? n + 1 : to).join('');
    },
  };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

function pieceIn(item: unknown, hasMarkers: boolean): string | null {
  const piece: unknown = Array.isArray(item) && item.length === 2 ? item[hasMarkers ? 1 : 0] : item;
  return typeof piece === 'string' ? piece : null;
}
