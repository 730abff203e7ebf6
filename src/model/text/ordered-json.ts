import { Dict, type Value } from './jinja/values/values.ts';

/**
 * The value of a JSON text with the order of its keys, which `JSON.parse` loses for keys like "10" (protocol section
 * 2). Integers come as bigint, other numbers as float, as Python reads them.
 * @throws SyntaxError for a text that is no JSON
 */
export function parseOrdered(text: string): Value {
  // JSON.parse checks the form; what follows only reads.
  JSON.parse(text);
  return new Reader(text).value();
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(): Value {
    const first = this.#next();
    if (first === '{') return this.#dict();
    if (first === '[') return this.#list();
    if (first === '"') return this.#string();
    const literal = /[^\s,\]}]+/y;
    literal.lastIndex = this.#at;
    const word = literal.exec(this.#text)?.[0] ?? '';
    this.#at += word.length;
    if (word === 'true' || word === 'false') return word === 'true';
    if (word === 'null') return null;
    return /^-?\d+$/.test(word) ? BigInt(word) : Number(word);
  }

  /** The next character that is not white space. */
  #next(): string {
    while (/[ \t\n\r]/.test(this.#text[this.#at] ?? '')) this.#at++;
    return this.#text[this.#at] ?? '';
  }

  #dict(): Dict {
    const dict = new Dict();
    this.#at++;
    while (this.#next() !== '}') {
      if (this.#text[this.#at] === ',') this.#at++;
      this.#next();
      const key = this.#string();
      this.#next();
      this.#at++;
      dict.set(key, this.value());
    }
    this.#at++;
    return dict;
  }

  #list(): Value[] {
    const items: Value[] = [];
    this.#at++;
    while (this.#next() !== ']') {
      if (this.#text[this.#at] === ',') this.#at++;
      items.push(this.value());
    }
    this.#at++;
    return items;
  }

  #string(): string {
    const pattern = /"(?:[^"\\]|\\.)*"/y;
    pattern.lastIndex = this.#at;
    const written = pattern.exec(this.#text)?.[0] ?? '""';
    this.#at += written.length;
    return JSON.parse(written) as string;
  }
}
