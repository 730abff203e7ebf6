import { maxGrammarRules } from '../../constants.ts';
import { BadInputError } from '../../encoding/malformed-error.ts';
import { type GrammarItem, type GrammarRule, type GrammarRules, parseGrammar } from '../rules.ts';

/** A part of a text: items that follow each other. */
export type Items = readonly GrammarItem[];

export const maxCodePoint = 0x10ffff;

/** Repetitions of so few items are written out; of more, rules share their halves. */
const fewItems = 4;

/** Collects the rules of a grammar. Equal rules are one. */
export class RuleBuilder {
  /** The first is the whole text. */
  readonly #rules: GrammarRule[] = [[]];
  readonly #known = new Map<string, number>();

  /** A rule of these alternatives. @throws BadInputError for more rules than a grammar may have */
  add(alternatives: readonly Items[]): number {
    const key = JSON.stringify(alternatives);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const number = this.reserve();
    this.#rules[number] = alternatives;
    this.#known.set(key, number);
    return number;
  }

  /** A rule that names itself: it is defined later. */
  reserve(): number {
    if (this.#rules.length >= maxGrammarRules)
      throw new BadInputError(`it needs more than the ${maxGrammarRules} rules that a grammar may have`);
    return this.#rules.push([]) - 1;
  }

  define(rule: number, alternatives: readonly Items[]): void {
    this.#rules[rule] = alternatives;
  }

  /** A text as it stands. */
  text(literal: string): Items {
    return Array.from(literal, (character) => {
      const point = character.codePointAt(0) ?? 0;
      return [point, point];
    });
  }

  optional(items: Items): Items {
    return [this.add([items, []])];
  }

  /**
   * `items` from `min` to `max` times.
   * @param items never empty text if `max` is null
   * @param max null: without end
   */
  repeat(items: Items, min: number, max: number | null): Items {
    const [only] = items;
    const item = items.length === 1 && only !== undefined ? only : this.add([items]);
    return [...this.#exactly(item, min), ...(max === null ? this.#anyNumberOf(item) : this.#upTo(item, max - min))];
  }

  /** `items`, and any number of them more with `separator` between. */
  list(items: Items, separator: Items, min: number, max: number | null): Items {
    const more = this.repeat([...separator, ...items], Math.max(0, min - 1), max === null ? null : max - 1);
    const whole = [...items, ...more];
    return min === 0 ? this.optional(whole) : whole;
  }

  /** @throws BadInputError for a grammar that no provider may take */
  finish(whole: Items): GrammarRules {
    this.#rules[0] = [whole];
    return parseGrammar(this.#rules);
  }

  #anyNumberOf(item: GrammarItem): Items {
    const key = `star ${JSON.stringify(item)}`;
    let rule = this.#known.get(key);
    if (rule === undefined) {
      rule = this.reserve();
      this.#known.set(key, rule);
      this.#rules[rule] = [[item, rule], []];
    }
    return [rule];
  }

  #exactly(item: GrammarItem, count: number): Items {
    if (count <= fewItems) return Array.from({ length: count }, () => item);
    const half = this.add([this.#exactly(item, count >> 1)]);
    return count % 2 === 0 ? [half, half] : [half, half, item];
  }

  /** Each number has one derivation: the binary digits of it, so that few places of the grammar are open at once. */
  #upTo(item: GrammarItem, most: number): Items {
    if (most <= 0) return [];
    if (most <= fewItems) return [this.add([[item, ...this.#upTo(item, most - 1)], []])];
    const power = 2 ** Math.floor(Math.log2(most));
    return [this.add([this.#upTo(item, power - 1), [...this.#exactly(item, power), ...this.#upTo(item, most - power)]])];
  }
}

/** The code points that are in none of the flat ranges `[lo, hi, …]`. */
export function complementOf(ranges: readonly number[]): readonly number[] {
  const rest: number[] = [];
  let from = 0;
  for (const [lo, hi] of sorted(ranges)) {
    if (lo > from) rest.push(from, lo - 1);
    from = Math.max(from, hi + 1);
  }
  if (from <= maxCodePoint) rest.push(from, maxCodePoint);
  return rest;
}

/** The code points of `ranges` that are not in `without`. */
export function difference(ranges: readonly number[], without: readonly number[]): readonly number[] {
  return complementOf([...complementOf(ranges), ...without]);
}

function sorted(ranges: readonly number[]): readonly (readonly [lo: number, hi: number])[] {
  const pairs = Array.from({ length: ranges.length / 2 }, (_, at) => [ranges[2 * at] ?? 0, ranges[2 * at + 1] ?? 0] as const);
  return pairs.sort((a, b) => a[0] - b[0]);
}
