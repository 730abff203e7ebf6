import { MalformedError } from '../protocol/codec.ts';

/** Deepest nesting of a document that is taken. */
const maxDepth = 64;

const numberPattern = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const integerPattern = /^(?:0|-?[1-9]\d*)$/;

interface Level {
  /** Keys seen so far; null in an array. */
  readonly keys: Set<string> | null;
  expectsKey: boolean;
}

/**
 * `JSON.parse` for documents that people may disagree about: a key that stands twice, a number with a fraction or
 * exponent and deep nesting are refused. Numbers below the top-level key `unchecked` may have any form.
 * @throws MalformedError
 */
export function parseStrictJson(text: string, unchecked: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new MalformedError('no JSON', { cause: error });
  }
  // What follows may rely on the text being JSON.
  checkKeysAndNumbers(text, unchecked);
  return value;
}

function checkKeysAndNumbers(text: string, unchecked: string): void {
  const levels: Level[] = [];
  let topKey: string | null = null;
  for (let at = 0; at < text.length; ) {
    const level = levels.at(-1);
    const character = text[at] ?? '';
    if (character === '"') {
      const end = endOfString(text, at);
      if (level?.keys && level.expectsKey) {
        const key = addKey(level.keys, text.slice(at, end));
        if (levels.length === 1) topKey = key;
        level.expectsKey = false;
      }
      at = end;
    } else if (character === '-' || (character >= '0' && character <= '9')) {
      const number = numberAt(text, at);
      if (topKey !== unchecked && !integerPattern.test(number))
        throw new MalformedError('a number that is not a plain integer');
      at += number.length;
    } else {
      step(levels, character);
      at++;
    }
  }
}

/** Follows a bracket or comma; other characters change nothing. */
function step(levels: Level[], character: string): void {
  const level = levels.at(-1);
  if (character === '{') levels.push({ keys: new Set(), expectsKey: true });
  else if (character === '[') levels.push({ keys: null, expectsKey: false });
  else if (character === '}' || character === ']') levels.pop();
  else if (character === ',' && level !== undefined) level.expectsKey = true;
  if (levels.length > maxDepth) throw new MalformedError('nested too deep');
}

function addKey(keys: Set<string>, literal: string): string {
  const key = String(JSON.parse(literal));
  if (keys.has(key)) throw new MalformedError('a key that stands twice');
  keys.add(key);
  return key;
}

/** Just after the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0;
    while (text[at - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return at + 1;
  }
  return text.length;
}

function numberAt(text: string, at: number): string {
  numberPattern.lastIndex = at;
  return numberPattern.exec(text)?.[0] ?? '-';
}
