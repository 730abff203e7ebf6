import { maxCallDepth } from './constants.ts';
import { comes, type Reading, type TextCursor } from './cursor.ts';

/** How a notation for values writes its texts. */
export interface Notation {
  /** What stands at both ends of a text. */
  readonly quotes: readonly string[];
  /** Whether a backslash takes the meaning from the character behind it. */
  readonly escapes: boolean;
}

export const json: Notation = { quotes: ['"'], escapes: true };
export const python: Notation = { quotes: ['"', "'"], escapes: true };

const closers: Readonly<Record<string, string>> = { '{': '}', '[': ']', '(': ')' };

/**
 * Takes a bracket and all up to the one that closes it; brackets inside texts do not count. Null if none comes, if the
 * brackets do not match or are nested deeper than 64, at a `<` outside texts, with which marks alone begin, or if the
 * answer ends first. Its time grows with the length only.
 */
export function* takeBalanced(cursor: TextCursor, notation: Notation): Reading<string | null> {
  const taken: string[] = [];
  const open: string[] = [];
  do {
    const character = yield* nextCharacter(cursor);
    const closer = closers[character];
    if (character === '' || (closer === undefined && open.length === 0)) return null;
    if (closer !== undefined) {
      if (open.length === maxCallDepth) return null;
      open.push(closer);
    } else if ('}])'.includes(character) && open.pop() !== character) return null;
    const quote = yield* quoteThatComes(cursor, notation);
    if (quote === null && character === '<') return null;
    if (quote === null) taken.push(cursor.take(1), open.length === 0 ? '' : takePlain(cursor, notation));
    else if (!(yield* takeQuoted(cursor, quote, notation, taken))) return null;
  } while (open.length > 0);
  return taken.join('');
}

function* nextCharacter(cursor: TextCursor): Reading<string> {
  while (cursor.rest === '' && !cursor.isEnded) yield;
  return cursor.rest.charAt(0);
}

function* quoteThatComes(cursor: TextCursor, { quotes }: Notation): Reading<string | null> {
  for (const quote of quotes) if (yield* comes(cursor, quote)) return quote;
  return null;
}

/** Takes the characters at hand that are neither a bracket nor the start of a quote. */
function takePlain(cursor: TextCursor, { quotes }: Notation): string {
  const ends = new Set([...'{}[]()<', ...quotes.map((quote) => quote.charAt(0))]);
  const { rest } = cursor;
  let length = 0;
  while (length < rest.length && !ends.has(rest.charAt(length))) length++;
  return cursor.take(length);
}

/** Takes a text with its quotes into `taken`; false if the answer ends inside. */
function* takeQuoted(cursor: TextCursor, quote: string, { escapes }: Notation, taken: string[]): Reading<boolean> {
  taken.push(cursor.take(quote.length));
  for (;;) {
    if (yield* comes(cursor, quote)) {
      taken.push(cursor.take(quote.length));
      return true;
    }
    const character = yield* nextCharacter(cursor);
    if (character === '') return false;
    if (escapes && character === '\\') {
      while (cursor.rest.length < 2 && !cursor.isEnded) yield;
      taken.push(cursor.take(2));
    } else taken.push(cursor.take(1), takeInside(cursor, quote));
  }
}

/** Takes the characters at hand that neither end the text nor escape another one. */
function takeInside(cursor: TextCursor, quote: string): string {
  const { rest } = cursor;
  let length = 0;
  while (length < rest.length && rest.charAt(length) !== quote.charAt(0) && rest.charAt(length) !== '\\') length++;
  return cursor.take(length);
}
