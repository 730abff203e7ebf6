import { firstMark, openEnd } from '../../lib/text-marks.ts';
import { maxToolNameLength } from './constants.ts';

/** Reads a text that arrives in pieces; each `yield` waits for the next piece or the end. */
export type Reading<Result> = Generator<undefined, Result, undefined>;

/** A text that arrives in pieces. What is taken can be told again, until it is forgotten. */
export class TextCursor {
  #rest = '';
  #isEnded = false;
  #taken: string[] = [];

  /** What has arrived and was not taken. */
  get rest(): string {
    return this.#rest;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** All that was taken since the last `forget`. */
  get taken(): string {
    return this.#taken.join('');
  }

  push(piece: string): void {
    this.#rest += piece;
  }

  end(): void {
    this.#isEnded = true;
  }

  take(length: number): string {
    const text = this.#rest.slice(0, length);
    this.#rest = this.#rest.slice(length);
    if (text !== '') this.#taken.push(text);
    return text;
  }

  forget(): void {
    this.#taken = [];
  }
}

/** Whether `text` comes next. */
export function* comes(cursor: TextCursor, text: string): Reading<boolean> {
  for (;;) {
    const { rest } = cursor;
    if (rest.length >= text.length || cursor.isEnded) return rest.startsWith(text);
    if (!text.startsWith(rest)) return false;
    yield;
  }
}

/** Takes the first of `texts` that comes next; null if none does. */
export function* takeOne(cursor: TextCursor, texts: readonly string[]): Reading<string | null> {
  for (const text of texts) if (yield* comes(cursor, text)) return cursor.take(text.length);
  return null;
}

/** Takes the white space that comes next. */
export function* takeSpace(cursor: TextCursor): Reading<string> {
  const space: string[] = [];
  for (;;) {
    const { rest } = cursor;
    space.push(cursor.take(rest.length - rest.trimStart().length));
    if (cursor.rest !== '' || cursor.isEnded) return space.join('');
    yield;
  }
}

/** Takes the name of a tool; empty if none comes. */
export function* takeName(cursor: TextCursor): Reading<string> {
  let name = '';
  for (;;) {
    const [more = ''] = /^[\w.:/-]*/.exec(cursor.rest) ?? [];
    name += cursor.take(Math.min(more.length, maxToolNameLength - name.length));
    if (cursor.rest !== '' || cursor.isEnded || name.length === maxToolNameLength) return name;
    yield;
  }
}

/**
 * Takes the text before the first of `marks`; null if none comes within `maxLength` characters. What was read until
 * then is taken in either case.
 */
export function* takeUntil(
  cursor: TextCursor,
  marks: readonly string[],
  maxLength = Number.POSITIVE_INFINITY,
): Reading<string | null> {
  const pieces: string[] = [];
  let length = 0;
  for (;;) {
    const { rest, isEnded } = cursor;
    const found = firstMark(rest, marks);
    const piece = cursor.take(found?.at ?? rest.length - (isEnded ? 0 : openEnd(rest, marks)));
    pieces.push(piece);
    length += piece.length;
    if (length > maxLength) return null;
    if (found !== null) return pieces.join('');
    if (isEnded) return null;
    yield;
  }
}
