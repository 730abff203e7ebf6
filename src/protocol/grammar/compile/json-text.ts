import { complementOf, difference, intersection } from './code-points.ts';
import { type Items, literal, type RuleBuilder } from './rule-builder.ts';

const digit = [0x30, 0x39];
const nonZeroDigit = [0x31, 0x39];
const hexDigit = oneOf('0123456789abcdefABCDEF');
/** What a JSON string holds as it is: all but controls, the quote and the backslash. */
const plain = complementOf([0, 0x1f, 0x22, 0x22, 0x5c, 0x5c]);
/** Letters of the short escapes, by the character that they stand for. */
const shortEscapes: Readonly<Record<number, string>> = {
  8: 'b',
  9: 't',
  10: 'n',
  12: 'f',
  13: 'r',
  34: '"',
  92: '\\',
};
/** Digits of a whole number, so that every program reads it as it stands; and those behind its point. */
const maxWholeDigits = 15;
const maxFractionDigits = 15;
const maxExponentDigits = 2;
/** Blanks and tabs of an indent. */
const maxIndent = 32;

/** The parts of JSON texts (RFC 8259) as rules. White space comes only as programs write it: a blank, or an indent. */
export class JsonText {
  readonly rules: RuleBuilder;
  #anyValue: number | null = null;
  #space: Items | null = null;

  constructor(rules: RuleBuilder) {
    this.rules = rules;
  }

  /** What may stand between two parts of an object or list: nothing, a blank, or a line feed and an indent. */
  get space(): Items {
    if (this.#space === null) {
      const indent = this.rules.repeat([[0x09, 0x09, 0x20, 0x20]], 0, maxIndent);
      this.#space = [this.rules.add([[], literal(' '), [...literal('\n'), ...indent]])];
    }
    return this.#space;
  }

  /** One character of a string, as it is or escaped. Escapes of half a character come in pairs. */
  get character(): Items {
    const hexEscape = literal('\\u');
    return [
      this.rules.add([
        [plain],
        [...literal('\\'), oneOf('"\\/bfnrt')],
        [...hexEscape, oneOf('0123456789abcefABCEF'), hexDigit, hexDigit, hexDigit],
        [...hexEscape, oneOf('dD'), oneOf('01234567'), hexDigit, hexDigit],
        [
          ...[...hexEscape, oneOf('dD'), oneOf('89abAB'), hexDigit, hexDigit],
          ...[...hexEscape, oneOf('dD'), oneOf('cdefCDEF'), hexDigit, hexDigit],
        ],
      ]),
    ];
  }

  /** A string of `min` to `max` characters. */
  string(min = 0, max: number | null = null): Items {
    return this.quoted(this.rules.repeat(this.character, min, max));
  }

  quoted(characters: Items): Items {
    return [this.rules.add([[...literal('"'), ...characters, ...literal('"')]])];
  }

  /** One character of these, written in the usual way: as it is if it may stand so, else with its short escape. */
  written(ranges: readonly number[]): Items {
    const alternatives: Items[] = [];
    const asItIs = intersection(ranges, plain);
    if (asItIs.length > 0) alternatives.push([asItIs]);
    const others = difference(ranges, plain);
    for (let at = 0; at < others.length; at += 2)
      for (let point = others[at] ?? 0; point <= (others[at + 1] ?? 0); point++) alternatives.push(escaped(point));
    return this.rules.choice(alternatives);
  }

  /** A value as programs write it, without white space. */
  value(value: unknown): Items {
    return literal(JSON.stringify(value));
  }

  get wholeNumber(): Items {
    return [this.rules.add([[...this.rules.optional(literal('-')), ...this.#digits]])];
  }

  get number(): Items {
    const fraction = [...literal('.'), ...this.rules.repeat([digit], 1, maxFractionDigits)];
    const sign = this.rules.optional([oneOf('+-')]);
    const exponent = [oneOf('eE'), ...sign, ...this.rules.repeat([digit], 1, maxExponentDigits)];
    return [
      this.rules.add([[...this.wholeNumber, ...this.rules.optional(fraction), ...this.rules.optional(exponent)]]),
    ];
  }

  get boolean(): Items {
    return [this.rules.add([literal('true'), literal('false')])];
  }

  /** Any value, nested to any depth. */
  get anyValue(): Items {
    if (this.#anyValue === null) {
      this.#anyValue = this.rules.reserve();
      const scalars = [this.string(), this.number, literal('true'), literal('false'), literal('null')];
      this.rules.define(this.#anyValue, [...scalars, this.anyObject, this.list(this.anyValue, 0, null)]);
    }
    return [this.#anyValue];
  }

  get anyObject(): Items {
    return this.object(this.separated(this.member(this.string(), this.anyValue), 0, null));
  }

  member(name: Items, value: Items): Items {
    return [...name, ...this.space, ...literal(':'), ...this.space, ...value];
  }

  list(item: Items, min: number, max: number | null): Items {
    return this.bracketed('[', this.separated(item, min, max), ']');
  }

  /** @param members as `separated` or the like gives them */
  object(members: Items): Items {
    return this.bracketed('{', members, '}');
  }

  /** `min` to `max` times, with commas between, each with white space around it. */
  separated(item: Items, min: number, max: number | null): Items {
    if (max === 0) return this.space;
    const more = this.rules.repeat([...this.comma, ...item], Math.max(0, min - 1), max === null ? null : max - 1);
    const some: Items = [...this.space, ...item, ...more, ...this.space];
    return min === 0 ? [this.rules.add([this.space, some])] : some;
  }

  get comma(): Items {
    return [...this.space, ...literal(','), ...this.space];
  }

  bracketed(open: string, content: Items, close: string): Items {
    return [this.rules.add([[...literal(open), ...content, ...literal(close)]])];
  }

  get #digits(): Items {
    const more = this.rules.repeat([digit], 0, maxWholeDigits - 1);
    return [this.rules.add([literal('0'), [nonZeroDigit, ...more]])];
  }
}

/** One of these ASCII characters. */
function oneOf(characters: string): readonly number[] {
  const points = Array.from(characters, (character) => character.charCodeAt(0));
  return complementOf(complementOf(points.flatMap((point) => [point, point])));
}

function escaped(point: number): Items {
  const short = shortEscapes[point];
  return literal(short === undefined ? `\\u${point.toString(16).padStart(4, '0')}` : `\\${short}`);
}
