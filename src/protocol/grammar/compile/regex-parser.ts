import { BadInputError } from '../../encoding/malformed-error.ts';
import { complementOf } from './code-points.ts';
import type { Pattern } from './pattern.ts';

/** One of a pattern's alternatives, and whether `^` and `$` hold it to the text's ends. */
export interface AnchoredNode {
  readonly node: Pattern;
  readonly fromStart: boolean;
  readonly toEnd: boolean;
}

const digits = [0x30, 0x39];
const word = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];
/** ECMAScript's WhiteSpace and LineTerminator. */
const blank = [
  0x09, 0x0d, 0x20, 0x20, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x202f, 0x202f, 0x205f, 0x205f,
  0x3000, 0x3000, 0xfeff, 0xfeff,
];
const lineEnds = [0x0a, 0x0a, 0x0d, 0x0d, 0x2028, 0x2029];
const classes: Readonly<Record<string, readonly number[]>> = {
  d: digits,
  D: complementOf(digits),
  w: word,
  W: complementOf(word),
  s: blank,
  S: complementOf(blank),
};
const controls: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d };
const maxRepeats = 100_000;
const maxDepth = 64;

/** @throws BadInputError for what is not supported, and for what is no pattern */
export function parseRegex(pattern: string): readonly AnchoredNode[] {
  return new RegexParser(pattern).pattern();
}

class RegexParser {
  readonly #points: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#points = Array.from(pattern);
  }

  pattern(): readonly AnchoredNode[] {
    const alternatives: AnchoredNode[] = [];
    do {
      const fromStart = this.#take('^');
      const node = this.#sequence();
      const toEnd = this.#take('$');
      alternatives.push({ node, fromStart, toEnd });
    } while (this.#take('|'));
    if (this.#at < this.#points.length) throw this.#unsupported(`"${this.#next}" at ${this.#at}`);
    return alternatives;
  }

  get #next(): string {
    return this.#points[this.#at] ?? '';
  }

  #take(point: string): boolean {
    if (this.#next !== point) return false;
    this.#at++;
    return true;
  }

  #expect(point: string, what: string): void {
    if (!this.#take(point)) throw new BadInputError(`the pattern has ${what} that is not closed, at ${this.#at}`);
  }

  #unsupported(what: string): BadInputError {
    return new BadInputError(`the pattern has ${what}, which is not supported`);
  }

  #sequence(): Pattern {
    const of: Pattern[] = [];
    while (this.#next !== '' && !['|', ')', '$'].includes(this.#next)) of.push(this.#quantified());
    const [only] = of;
    return only !== undefined && of.length === 1 ? only : { kind: 'sequence', of };
  }

  #quantified(): Pattern {
    const of = this.#atom();
    const count = this.#quantifier();
    if (count === null) return of;
    // A lazy quantifier matches the same texts.
    this.#take('?');
    if (['*', '+', '?'].includes(this.#next)) throw this.#unsupported(`a quantifier behind another, at ${this.#at}`);
    return { kind: 'repeat', of, ...count };
  }

  #quantifier(): { readonly min: number; readonly max: number | null } | null {
    if (this.#take('*')) return { min: 0, max: null };
    if (this.#take('+')) return { min: 1, max: null };
    if (this.#take('?')) return { min: 0, max: 1 };
    if (this.#next !== '{') return null;
    const rest = this.#points.slice(this.#at, this.#at + 20).join('');
    const [whole, from = '', comma, to = ''] = /^\{(\d{1,6})(,(\d{0,6}))?\}/.exec(rest) ?? [];
    if (whole === undefined) throw this.#unsupported(`"{" at ${this.#at}`);
    this.#at += whole.length;
    const min = Number(from);
    const max = comma === undefined ? min : comma === ',' ? null : Number(to === '' ? from : comma.slice(1));
    if (max !== null && max < min) throw new BadInputError(`the pattern has a quantifier out of order: ${whole}`);
    if (Math.max(min, max ?? 0) > maxRepeats) throw this.#unsupported(`a quantifier above ${maxRepeats}`);
    return { min, max };
  }

  #atom(): Pattern {
    if (this.#take('(')) return this.#group();
    if (this.#take('[')) return { kind: 'set', ranges: this.#set() };
    if (this.#take('.')) return { kind: 'set', ranges: complementOf(lineEnds) };
    if (this.#take('\\')) return { kind: 'set', ranges: this.#escape(false) };
    if (['^', '*', '+', '?', '{'].includes(this.#next)) throw this.#unsupported(`"${this.#next}" at ${this.#at}`);
    const point = this.#next.codePointAt(0) ?? 0;
    this.#at++;
    return { kind: 'set', ranges: [point, point] };
  }

  #group(): Pattern {
    if (this.#take('?') && !this.#take(':')) this.#groupName();
    if (++this.#depth > maxDepth) throw this.#unsupported(`nesting deeper than ${maxDepth}`);
    const of = [this.#sequence()];
    while (this.#take('|')) of.push(this.#sequence());
    this.#depth--;
    if (this.#next === '$') throw this.#unsupported('"$" inside a group');
    this.#expect(')', 'a group');
    return { kind: 'choice', of };
  }

  /** The name of a capturing group, which names nothing here. */
  #groupName(): void {
    const rest = this.#points.slice(this.#at, this.#at + 60).join('');
    const [whole] = /^P?<[A-Za-z_]\w*>/.exec(rest) ?? [];
    if (whole === undefined) throw this.#unsupported(`"(?${this.#next}" at ${this.#at - 2}`);
    this.#at += whole.length;
  }

  /** What is between `[` and `]`. */
  #set(): readonly number[] {
    const isNegated = this.#take('^');
    const ranges: number[] = [];
    while (this.#next !== '' && this.#next !== ']') {
      const from = this.#member();
      const single = from.length === 2 && from[0] === from[1];
      if (single && this.#next === '-' && ![']', undefined].includes(this.#points[this.#at + 1])) {
        this.#at++;
        const to = this.#member();
        if (to.length !== 2 || to[0] !== to[1] || (to[0] ?? 0) < (from[0] ?? 0))
          throw new BadInputError(`the pattern has a range out of order in a set, before ${this.#at}`);
        ranges.push(from[0] ?? 0, to[0] ?? 0);
      } else ranges.push(...from);
    }
    this.#expect(']', 'a set');
    return isNegated ? complementOf(ranges) : ranges;
  }

  #member(): readonly number[] {
    if (this.#take('\\')) return this.#escape(true);
    const point = this.#next.codePointAt(0) ?? 0;
    this.#at++;
    return [point, point];
  }

  /** What follows a backslash. */
  #escape(isInSet: boolean): readonly number[] {
    const letter = this.#next;
    this.#at++;
    const known = classes[letter] ?? (letter === 'b' && isInSet ? [8, 8] : undefined);
    if (known !== undefined) return known;
    const control = controls[letter] ?? (letter === '0' && !/\d/.test(this.#next) ? 0 : undefined);
    if (control !== undefined) return [control, control];
    if (letter === 'x' || letter === 'u') return this.#hex(letter);
    if (/^[A-Za-z0-9]?$/.test(letter)) throw this.#unsupported(`"\\${letter}" at ${this.#at - 2}`);
    const point = letter.codePointAt(0) ?? 0;
    return [point, point];
  }

  #hex(letter: 'x' | 'u'): readonly number[] {
    const rest = this.#points.slice(this.#at, this.#at + 8).join('');
    const form = letter === 'x' ? /^([\da-fA-F]{2})/ : /^(?:([\da-fA-F]{4})|\{([\da-fA-F]{1,6})\})/;
    const [whole, plain, braced] = form.exec(rest) ?? [];
    const point = Number.parseInt(plain ?? braced ?? '', 16);
    if (whole === undefined || point > 0x10ffff) throw this.#unsupported(`"\\${letter}" at ${this.#at - 2}`);
    this.#at += whole.length;
    return [point, point];
  }
}
