import { BadInputError } from '../../encoding/malformed-error.ts';
import { GrammarText } from './grammar-text.ts';
import type { Pattern } from './pattern.ts';
import { wholeOf } from './regex.ts';
import { parseRegex } from './regex-parser.ts';

/** What a Lark grammar defines. */
export interface LarkDefinitions {
  /** Rules and terminals by name, in the order of the source. */
  readonly rules: ReadonlyMap<string, Pattern>;
  /** Texts that may stand before each terminal and at the end: those of `%ignore`. */
  readonly ignored: readonly Pattern[];
}

/** Characters of a grammar, brackets within each other, and repetitions. */
const maxLength = 256 * 1024;
const maxDepth = 64;
const maxRepeats = 100_000;
const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f', v: '\v', '0': '\0' };
const hexLengths: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** The terminals of Lark's own module `common`, as regular expressions. */
const common: Readonly<Record<string, string>> = {
  DIGIT: '[0-9]',
  HEXDIGIT: '[0-9a-fA-F]',
  INT: '[0-9]+',
  SIGNED_INT: '[+-]?[0-9]+',
  DECIMAL: '(?:[0-9]+\\.[0-9]*|\\.[0-9]+)',
  FLOAT: '(?:[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)',
  SIGNED_FLOAT: '[+-]?(?:[0-9]+[eE][+-]?[0-9]+|(?:[0-9]+\\.[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?)',
  NUMBER: '(?:[0-9]+|\\.[0-9]+|[0-9]+\\.[0-9]*)(?:[eE][+-]?[0-9]+)?',
  SIGNED_NUMBER: '[+-]?(?:[0-9]+|\\.[0-9]+|[0-9]+\\.[0-9]*)(?:[eE][+-]?[0-9]+)?',
  ESCAPED_STRING: '"(?:[^"\\\\\\n]|\\\\[^\\n])*"',
  LCASE_LETTER: '[a-z]',
  UCASE_LETTER: '[A-Z]',
  LETTER: '[A-Za-z]',
  WORD: '[A-Za-z]+',
  CNAME: '[A-Za-z_][A-Za-z0-9_]*',
  WS_INLINE: '[ \\t]+',
  WS: '[ \\t\\f\\r\\n]+',
  CR: '\\r',
  LF: '\\n',
  NEWLINE: '(?:\\r?\\n)+',
};

/**
 * The definitions of a grammar in Lark's notation.
 * @param ruleOf the number of the rule or terminal with a name, which may be defined later
 * @throws BadInputError for what is not supported or not that notation, with its line
 */
export function parseLark(source: string, ruleOf: (name: string) => number): LarkDefinitions {
  if (source.length > maxLength) throw new BadInputError(`the grammar has more than ${maxLength} characters`);
  return new LarkParser(source, ruleOf).definitions();
}

class LarkParser extends GrammarText {
  readonly #ruleOf: (name: string) => number;
  readonly #rules = new Map<string, Pattern>();
  readonly #ignored: Pattern[] = [];
  /** Whether terminals that have no name get one, so that ignored texts may stand before them. */
  readonly #namesAll: boolean;
  #isInRule = false;
  #depth = 0;

  constructor(source: string, ruleOf: (name: string) => number) {
    super(source);
    this.#ruleOf = ruleOf;
    this.#namesAll = /%ignore/.test(source);
  }

  definitions(): LarkDefinitions {
    for (this.#skip(true); this.at < this.source.length; this.#skip(true)) {
      if (this.take('%')) this.#directive();
      else this.#definition();
      this.#skip(false);
      if (this.at < this.source.length && !this.#isLineEnd) throw this.bad('the end of the line');
    }
    return { rules: this.#rules, ignored: this.#ignored };
  }

  #directive(): void {
    this.#isInRule = false;
    if (this.take('ignore')) {
      this.#skip(false);
      this.#ignored.push(this.#choice(false));
    } else if (this.take('import')) this.#takeImport();
    else throw this.bad('a rule, %ignore or %import');
  }

  /** `%import common.NAME`, `%import common.NAME -> OTHER` or `%import common (NAME, …)`. */
  #takeImport(): void {
    const line = this.match(/[^\r\n]*/y) ?? '';
    const form = /^\s+common(?:\.(\w+)(?:\s*->\s*(\w+))?|\s*\(([\w\s,]+)\))\s*(?:\/\/.*)?$/;
    const [whole, name = '', alias = name, list = alias] = form.exec(line) ?? [];
    if (whole === undefined) throw new BadInputError(`the grammar imports from elsewhere than common: ${line.trim()}`);
    const names = name === '' ? list.split(',').map((each) => each.trim()) : [name];
    for (const each of names) {
      const terminal = Object.hasOwn(common, each) ? common[each] : undefined;
      if (terminal === undefined) throw new BadInputError(`the grammar imports "${each}", which is not in common`);
      this.#define(name === '' ? each : alias, wholeOf(parseRegex(terminal)));
    }
  }

  #definition(): void {
    // Marks for the tree that Lark builds, which is not needed here.
    this.match(/[?!]{1,2}/y);
    const name = this.#name();
    if (name === null) throw this.bad('the name of a rule');
    this.match(/\.-?\d+/y);
    this.#skip(false);
    if (!this.take(':')) throw this.bad('":"');
    this.#skip(true);
    // Known from here on, so that rules have the order of the source.
    this.#ruleOf(name);
    this.#isInRule = !isTerminalName(name);
    this.#define(name, this.#choice(false));
  }

  #define(name: string, pattern: Pattern): void {
    if (this.#rules.has(name)) throw new BadInputError(`the grammar has two rules "${name}"`);
    this.#ruleOf(name);
    this.#rules.set(name, pattern);
  }

  /** @param isNested between brackets, where a line may end */
  #choice(isNested: boolean): Pattern {
    if (++this.#depth > maxDepth) throw new BadInputError(`the grammar has brackets more than ${maxDepth} deep`);
    const of = [this.#sequence(isNested)];
    while (this.#takeBar()) {
      this.#skip(true);
      of.push(this.#sequence(isNested));
    }
    this.#depth--;
    return { kind: 'choice', of };
  }

  /** A bar may stand on the next line. */
  #takeBar(): boolean {
    return this.match(/(?:\s|\/\/[^\r\n]*)*\|/y) !== null;
  }

  #sequence(isNested: boolean): Pattern {
    const of: Pattern[] = [];
    for (let symbol = this.#symbol(); symbol !== null; symbol = this.#symbol()) {
      this.#skip(isNested);
      of.push(this.#repeated(symbol));
      this.#skip(isNested);
    }
    if (this.match(/->[ \t]*\w+/y) !== null) this.#skip(isNested);
    return { kind: 'sequence', of };
  }

  #symbol(): Pattern | null {
    if (this.take('(')) return this.#bracketed(')');
    if (this.take('[')) return { kind: 'repeat', of: this.#bracketed(']'), min: 0, max: 1 };
    if (this.take('"')) return this.#terminal(this.#literal());
    if (this.source[this.at] === '/' && this.source[this.at + 1] !== '/') return this.#terminal(this.#regex());
    const name = this.#name();
    return name === null ? null : { kind: 'items', items: [this.#ruleOf(name)] };
  }

  /** A terminal without a name. */
  #terminal(pattern: Pattern): Pattern {
    if (!this.#isInRule || !this.#namesAll) return pattern;
    const name = `TERMINAL ${this.#rules.size}`;
    this.#define(name, pattern);
    return { kind: 'items', items: [this.#ruleOf(name)] };
  }

  #bracketed(closer: string): Pattern {
    this.#skip(true);
    const inner = this.#choice(true);
    if (!this.take(closer)) throw this.bad(`"${closer}"`);
    return inner;
  }

  /** `"text"`, `"text"i`, or a range `"a".."z"`. */
  #literal(): Pattern {
    const text = this.#quoted();
    if (this.match(/\.\.\s*"/y) !== null) {
      const [from, to] = [onlyPoint(text), onlyPoint(this.#quoted())];
      if (from === null || to === null || to < from) throw this.bad('a range of two characters in their order');
      return { kind: 'set', ranges: [from, to] };
    }
    const isAnyCase = this.take('i');
    const of = Array.from(text, (character): Pattern => {
      const cases = isAnyCase ? [character.toLowerCase(), character.toUpperCase()] : [character];
      return { kind: 'set', ranges: cases.flatMap((each) => onlyPoint(each) ?? []).flatMap((point) => [point, point]) };
    });
    return { kind: 'sequence', of };
  }

  #quoted(): string {
    const characters: string[] = [];
    while (!this.take('"')) characters.push(this.#character());
    return characters.join('');
  }

  #character(): string {
    const point = this.source.codePointAt(this.at);
    if (point === undefined || point === 0x0a) throw this.bad('the end of a text');
    this.at += point > 0xffff ? 2 : 1;
    if (point !== 0x5c) return String.fromCodePoint(point);
    const letter = this.source[this.at] ?? '';
    this.at++;
    const length = hexLengths[letter];
    if (length === undefined) return escapes[letter] ?? letter;
    const hex = this.source.slice(this.at, this.at + length);
    const escaped = Number.parseInt(hex, 16);
    if (!/^[\da-fA-F]+$/.test(hex) || hex.length !== length || escaped > 0x10ffff) throw this.bad('an escape');
    this.at += length;
    return String.fromCodePoint(escaped);
  }

  #regex(): Pattern {
    const [whole = '', pattern = '', flags = ''] =
      /^\/((?:\\[^\r\n]|[^/\\\r\n])+)\/([a-z]*)/.exec(this.source.slice(this.at)) ?? [];
    if (whole === '') throw this.bad('the end of a regular expression');
    if (flags !== '') throw new BadInputError(`the grammar has a regular expression with the flags ${flags}`);
    this.at += whole.length;
    return wholeOf(parseRegex(pattern));
  }

  #repeated(of: Pattern): Pattern {
    if (this.take('*')) return { kind: 'repeat', of, min: 0, max: null };
    if (this.take('+')) return { kind: 'repeat', of, min: 1, max: null };
    if (this.take('?')) return { kind: 'repeat', of, min: 0, max: 1 };
    const count = this.match(/~[ \t]*\d{1,6}(?:[ \t]*\.\.[ \t]*\d{1,6})?/y);
    if (count === null) return of;
    const [min = 0, max = min] = count.slice(1).split('..').map(Number);
    if (max < min || max > maxRepeats) throw this.bad(`at most ${maxRepeats} repetitions in their order`);
    return { kind: 'repeat', of, min, max };
  }

  #name(): string | null {
    return this.match(/_{0,2}(?:[a-z][a-z0-9_]{0,99}|[A-Z][A-Z0-9_]{0,99})(?![\w{])/y);
  }

  get #isLineEnd(): boolean {
    return /[\r\n]/.test(this.source[this.at] ?? '');
  }

  /** Passes over blanks and comments; over the ends of lines, too, if they may come here. */
  #skip(withLines: boolean): void {
    this.match(withLines ? /(?:\s|(?:\/\/|#)[^\r\n]*)*/y : /(?:[ \t]|(?:\/\/|#)[^\r\n]*)*/y);
  }
}

export function isTerminalName(name: string): boolean {
  return /^_*[A-Z]/.test(name);
}

/** The code point of a text of one character; null for another text. */
function onlyPoint(text: string): number | null {
  const point = text.codePointAt(0);
  return point !== undefined && String.fromCodePoint(point) === text ? point : null;
}
