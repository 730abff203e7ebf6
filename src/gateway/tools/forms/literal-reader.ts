import { parseExact } from '../exact-json.ts';

export interface LiteralSyntax {
  /** The text that begins at `at`, and the place behind it; null if none does. */
  text(at: number): { readonly value: string; readonly end: number } | null;
  /** Whether keys, and values that are anything else, need no quotes. */
  readonly hasBareWords: boolean;
}

const words: Readonly<Record<string, unknown>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  null: null,
  None: null,
};

/** Thrown for what is not a value of the notation. */
export class LiteralError extends Error {}

/** Reads values that are almost JSON. The text has balanced brackets, at most 64 inside each other. */
export class LiteralReader {
  readonly #source: string;
  readonly #syntax: LiteralSyntax;
  #at = 0;

  constructor(source: string, syntax: LiteralSyntax) {
    this.#source = source;
    this.#syntax = syntax;
  }

  /** The value that the whole text writes; null if it writes none. */
  whole(): unknown {
    try {
      const value = this.value();
      return this.isAtEnd() ? value : null;
    } catch (error) {
      if (error instanceof LiteralError) return null;
      throw error;
    }
  }

  isAtEnd(): boolean {
    this.#skipSpace();
    return this.#at === this.#source.length;
  }

  value(): unknown {
    this.#skipSpace();
    const text = this.#syntax.text(this.#at);
    if (text !== null) {
      this.#at = text.end;
      return text.value;
    }
    if (this.takes('{')) return Object.fromEntries(this.#entries());
    if (this.takes('[')) return this.#items(']');
    if (this.takes('(')) return this.#items(')');
    return this.#word();
  }

  /** Entries up to the closing bracket: `key: value`, or `key=value` in a call. */
  entries(separator: string, closer: string, key: () => string): readonly (readonly [string, unknown])[] {
    const found: (readonly [string, unknown])[] = [];
    for (;;) {
      if (this.takes(closer)) return found;
      const name = key();
      this.expect(separator);
      found.push([name, this.value()]);
      if (!this.takes(',') && !this.comes(closer)) throw new LiteralError('expected a comma');
    }
  }

  /** A name without quotes, of letters, digits and `_ . : / -`. */
  name(characters = /[\w.:/-]+/y): string {
    this.#skipSpace();
    characters.lastIndex = this.#at;
    const [name] = characters.exec(this.#source) ?? [];
    if (name === undefined) throw new LiteralError('expected a name');
    this.#at += name.length;
    return name;
  }

  comes(token: string): boolean {
    this.#skipSpace();
    return this.#source.startsWith(token, this.#at);
  }

  takes(token: string): boolean {
    if (!this.comes(token)) return false;
    this.#at += token.length;
    return true;
  }

  expect(token: string): void {
    if (!this.takes(token)) throw new LiteralError(`expected ${token}`);
  }

  #entries(): readonly (readonly [string, unknown])[] {
    return this.entries(':', '}', () => {
      const text = this.#syntax.text(this.#afterSpace());
      if (text === null) {
        if (!this.#syntax.hasBareWords) throw new LiteralError('expected a key');
        return this.name(/[^:{}[\],]+/y).trimEnd();
      }
      this.#at = text.end;
      return text.value;
    });
  }

  #items(closer: string): readonly unknown[] {
    const items: unknown[] = [];
    while (!this.takes(closer)) {
      items.push(this.value());
      if (!this.takes(',') && !this.comes(closer)) throw new LiteralError('expected a comma');
    }
    return items;
  }

  #word(): unknown {
    const word = this.name(/[^,:{}[\]()=]+/y).trimEnd();
    if (Object.hasOwn(words, word)) return words[word];
    if (/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(word)) return parseExact(word);
    if (this.#syntax.hasBareWords) return word;
    throw new LiteralError('expected a value');
  }

  #afterSpace(): number {
    this.#skipSpace();
    return this.#at;
  }

  #skipSpace(): void {
    while (/\s/.test(this.#source.charAt(this.#at))) this.#at++;
  }
}
