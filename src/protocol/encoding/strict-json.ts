import { maxDecodedValues, maxJsonDepth } from '../constants.ts';
import { MalformedError } from './malformed-error.ts';

/** A value of a JSON text whose objects keep the order of their keys, also of those that look like numbers. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = ReadonlyMap<string, JsonValue>;

/**
 * Section 2: the value of a JSON text inside an input. White space is free; a key twice, a lone surrogate, a number
 * that `JSON.stringify` would write otherwise and more than 64 levels are refused.
 * @throws MalformedError
 */
export function parseJsonText(text: string): JsonValue {
  const parser = new Parser(text, {
    checkNumber: (literal) => literal === JSON.stringify(Number(literal)),
    object: (entries) => entries,
  });
  return parser.parse() as JsonValue;
}

const integerPattern = /^(?:0|-?[1-9]\d*)$/;

/**
 * Section 4.5: the value of a document about which people may disagree, with plain objects. A key twice, a lone
 * surrogate, a number with a fraction or exponent, −0 and more than 64 levels are refused. Below the top-level key
 * `unchecked` a number may have a fraction or an exponent.
 * @throws MalformedError
 */
export function parseJsonDocument(text: string, unchecked: string): unknown {
  const parser = new Parser(text, {
    checkNumber: (literal, topKey) =>
      topKey === unchecked ? !Object.is(Number(literal), -0) : integerPattern.test(literal),
    object: (entries) => {
      // Not `Object.fromEntries` of millions; never an assignment: `__proto__` would set the prototype.
      const object: Record<string, unknown> = {};
      for (const [key, value] of entries)
        Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
      return object;
    },
  });
  return parser.parse();
}

interface ParserInit {
  readonly checkNumber: (literal: string, topKey: string | null) => boolean;
  /** What an object becomes. */
  readonly object: (entries: ReadonlyMap<string, unknown>) => unknown;
}

const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const whiteSpace = /[ \t\n\r]*/y;
const literals: readonly (readonly [string, null | boolean])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
];

/**
 * Reads JSON (RFC 8259) by recursive descent: `JSON.parse` forgets keys that stand twice and how a number was written.
 */
class Parser {
  readonly #text: string;
  readonly #init: ParserInit;
  #at = 0;
  #values = 0;
  #topKey: string | null = null;

  constructor(text: string, init: ParserInit) {
    this.#text = text;
    this.#init = init;
  }

  parse(): unknown {
    const value = this.#value(0);
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#wrong('something behind the value');
    return value;
  }

  #value(depth: number): unknown {
    if (depth > maxJsonDepth) throw this.#wrong('nested too deep');
    this.#skipSpace();
    const character = this.#text[this.#at];
    if ((character === '{' || character === '[') && ++this.#values > maxDecodedValues)
      throw this.#wrong('too many lists and objects');
    if (character === '{') return this.#object(depth);
    if (character === '[') return this.#array(depth);
    if (character === '"') return this.#string();
    for (const [literal, value] of literals) if (this.#takes(literal)) return value;
    return this.#number();
  }

  #object(depth: number): unknown {
    const entries = new Map<string, unknown>();
    this.#at++;
    this.#skipSpace();
    if (this.#takes('}')) return this.#init.object(entries);
    for (;;) {
      this.#skipSpace();
      if (this.#text[this.#at] !== '"') throw this.#wrong('expected a key');
      const key = this.#string();
      if (entries.has(key)) throw this.#wrong('a key that stands twice');
      if (depth === 0) this.#topKey = key;
      this.#skipSpace();
      if (!this.#takes(':')) throw this.#wrong('expected a colon');
      entries.set(key, this.#value(depth + 1));
      this.#skipSpace();
      if (this.#takes('}')) return this.#init.object(entries);
      if (!this.#takes(',')) throw this.#wrong('expected a comma or the end of the object');
    }
  }

  #array(depth: number): unknown[] {
    const items: unknown[] = [];
    this.#at++;
    this.#skipSpace();
    if (this.#takes(']')) return items;
    for (;;) {
      items.push(this.#value(depth + 1));
      this.#skipSpace();
      if (this.#takes(']')) return items;
      if (!this.#takes(',')) throw this.#wrong('expected a comma or the end of the array');
    }
  }

  #string(): string {
    const start = this.#at;
    const end = this.#endOfString(start);
    const literal = this.#text.slice(start, end);
    let string: unknown;
    try {
      string = JSON.parse(literal);
    } catch (error) {
      throw new MalformedError(`JSON at ${start}: not a string`, { cause: error });
    }
    if (typeof string !== 'string' || !string.isWellFormed()) throw this.#wrong('a lone surrogate');
    this.#at = end;
    return string;
  }

  /** Just after the closing quote of the string that begins at `start`. */
  #endOfString(start: number): number {
    for (let at = this.#text.indexOf('"', start + 1); at !== -1; at = this.#text.indexOf('"', at + 1)) {
      let backslashes = 0;
      while (this.#text[at - 1 - backslashes] === '\\') backslashes++;
      if (backslashes % 2 === 0) return at + 1;
    }
    throw this.#wrong('a string without an end');
  }

  #number(): number {
    numberPattern.lastIndex = this.#at;
    const literal = numberPattern.exec(this.#text)?.[0];
    if (literal === undefined) throw this.#wrong('expected a value');
    if (!this.#init.checkNumber(literal, this.#topKey)) throw this.#wrong('a number in another form');
    this.#at += literal.length;
    return Number(literal);
  }

  #skipSpace(): void {
    whiteSpace.lastIndex = this.#at;
    this.#at += whiteSpace.exec(this.#text)?.[0].length ?? 0;
  }

  #takes(expected: string): boolean {
    if (!this.#text.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  #wrong(what: string): MalformedError {
    return new MalformedError(`JSON at ${this.#at}: ${what}`);
  }
}
