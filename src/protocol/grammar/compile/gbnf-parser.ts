import { BadInputError } from '../../encoding/malformed-error.ts';
import { complementOf, maxCodePoint } from './code-points.ts';
import { GrammarText } from './grammar-text.ts';
import type { Pattern } from './pattern.ts';

/** Characters of a grammar, brackets within each other, and repetitions. */
const maxLength = 256 * 1024;
const maxDepth = 64;
const maxRepeats = 100_000;
const escapes: Readonly<Record<string, number>> = {
  t: 0x09,
  n: 0x0a,
  r: 0x0d,
  '"': 0x22,
  '[': 0x5b,
  '\\': 0x5c,
  ']': 0x5d,
};
const hexLengths: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/**
 * The rules of a grammar in llama.cpp's notation, by name.
 * @param ruleOf the number of the rule with a name, which may be defined later
 * @throws BadInputError
 */
export function parseGbnf(source: string, ruleOf: (name: string) => number): ReadonlyMap<string, Pattern> {
  if (source.length > maxLength) throw new BadInputError(`the grammar has more than ${maxLength} characters`);
  return new GbnfParser(source, ruleOf).rules();
}

class GbnfParser extends GrammarText {
  readonly #ruleOf: (name: string) => number;
  #depth = 0;

  constructor(source: string, ruleOf: (name: string) => number) {
    super(source);
    this.#ruleOf = ruleOf;
  }

  rules(): ReadonlyMap<string, Pattern> {
    const rules = new Map<string, Pattern>();
    this.#skip(true);
    while (this.at < this.source.length) {
      const name = this.#name();
      if (name === null) throw this.bad('the name of a rule');
      this.#skip(false);
      if (!this.take('::=')) throw this.bad('"::="');
      this.#skip(true);
      if (rules.has(name)) throw new BadInputError(`the grammar has two rules "${name}"`);
      // Known from here on, so that rules have the order of the source.
      this.#ruleOf(name);
      rules.set(name, this.#choice(false));
      const isEnd = this.at >= this.source.length || /[\r\n]/.test(this.source[this.at] ?? '');
      if (!isEnd) throw this.bad('the end of the line');
      this.#skip(true);
    }
    return rules;
  }

  /** @param isNested between brackets, where a line may end */
  #choice(isNested: boolean): Pattern {
    if (++this.#depth > maxDepth) throw new BadInputError(`the grammar has brackets more than ${maxDepth} deep`);
    const of = [this.#sequence(isNested)];
    while (this.take('|')) {
      this.#skip(true);
      of.push(this.#sequence(isNested));
    }
    this.#depth--;
    return { kind: 'choice', of };
  }

  #sequence(isNested: boolean): Pattern {
    const of: Pattern[] = [];
    for (let symbol = this.#symbol(); symbol !== null; symbol = this.#symbol()) {
      this.#skip(isNested);
      const count = this.#repetition();
      of.push(count === null ? symbol : { kind: 'repeat', of: symbol, ...count });
      this.#skip(isNested);
    }
    return { kind: 'sequence', of };
  }

  #symbol(): Pattern | null {
    if (this.take('"')) return this.#literal();
    if (this.take('[')) return this.#set();
    if (this.take('.')) return { kind: 'set', ranges: [0, maxCodePoint] };
    if (this.take('(')) {
      this.#skip(true);
      const inner = this.#choice(true);
      if (!this.take(')')) throw this.bad('")"');
      return inner;
    }
    if (this.take('<[')) return this.#token();
    const name = this.#name();
    return name === null ? null : { kind: 'items', items: [this.#ruleOf(name)] };
  }

  #literal(): Pattern {
    const of: Pattern[] = [];
    while (!this.take('"')) {
      const point = this.#character();
      of.push({ kind: 'set', ranges: [point, point] });
    }
    return { kind: 'sequence', of };
  }

  #set(): Pattern {
    const isNegated = this.take('^');
    const ranges: number[] = [];
    while (!this.take(']')) {
      const from = this.#character();
      const isRange = this.source[this.at] === '-' && this.source[this.at + 1] !== ']';
      if (isRange) this.at++;
      const to = isRange ? this.#character() : from;
      if (to < from) throw this.bad('a range in its order');
      ranges.push(from, to);
    }
    return { kind: 'set', ranges: isNegated ? complementOf(ranges) : ranges };
  }

  /** A token by its id; by its text it can't be found without the model. */
  #token(): Pattern {
    const id = this.match(/\d{1,9}(?=\]>)/y);
    if (id === null) throw this.bad('the id of a token');
    this.take(']>');
    return { kind: 'items', items: [['t', Number(id)]] };
  }

  #repetition(): { readonly min: number; readonly max: number | null } | null {
    if (this.take('*')) return { min: 0, max: null };
    if (this.take('+')) return { min: 1, max: null };
    if (this.take('?')) return { min: 0, max: 1 };
    if (this.source[this.at] !== '{') return null;
    const whole = this.match(/\{ *\d{1,6} *(?:, *(?:\d{1,6})? *)?\}/y);
    if (whole === null) throw this.bad('a number of repetitions');
    const [from, to] = whole.slice(1, -1).split(',');
    const min = Number(from);
    const max = to === undefined ? min : to.trim() === '' ? null : Number(to);
    if (max !== null && max < min) throw this.bad('a number of repetitions in its order');
    if (Math.max(min, max ?? 0) > maxRepeats) throw this.bad(`at most ${maxRepeats} repetitions`);
    return { min, max };
  }

  /** One character of a literal or set. */
  #character(): number {
    const point = this.source.codePointAt(this.at);
    if (point === undefined || point === 0x0a) throw this.bad('the end of a literal or set');
    this.at += point > 0xffff ? 2 : 1;
    if (point !== 0x5c) return point;
    const letter = this.source[this.at] ?? '';
    this.at++;
    const known = escapes[letter];
    if (known !== undefined) return known;
    const length = hexLengths[letter];
    const hex = length === undefined ? '' : this.source.slice(this.at, this.at + length);
    const escaped = Number.parseInt(hex, 16);
    if (!/^[\da-fA-F]+$/.test(hex) || hex.length !== length || escaped > maxCodePoint) throw this.bad('an escape');
    this.at += hex.length;
    return escaped;
  }

  #name(): string | null {
    return this.match(/[A-Za-z0-9-]{1,100}/y);
  }

  /** Passes over blanks and comments; over the ends of lines, too, if they may come here. */
  #skip(withLines: boolean): void {
    const blank = withLines ? /(?:[ \t\r\n]|#[^\r\n]*)*/y : /(?:[ \t]|#[^\r\n]*)*/y;
    this.match(blank);
  }
}
