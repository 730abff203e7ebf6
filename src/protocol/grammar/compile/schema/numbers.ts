import { BadInputError } from '../../../encoding/malformed-error.ts';
import type { JsonText } from '../json-text.ts';
import { type Items, literal, type RuleBuilder } from '../rule-builder.ts';
import { type Bound, decimalOf, negated, stricter } from './decimal.ts';
import type { Reader } from './keywords.ts';

/** Significant digits that every program reads as they stand. */
const maxDigits = 15;
/** The first whole number with more digits. */
const beyondDigits = 10 ** maxDigits;

/** What a schema asks of its numbers. */
export interface NumberRange {
  readonly low: Bound | null;
  readonly high: Bound | null;
  /** Most digits behind the point; 0: a whole number. */
  readonly fractionDigits: number;
}

/** @throws BadInputError for a multiple other than 1, 0.1, 0.01 and so on */
export function readRange(schema: Reader, isWhole: boolean): NumberRange {
  const step = schema.number('multipleOf') ?? null;
  const fractionDigits = isWhole ? 0 : maxDigits;
  return {
    ...readBounds(schema),
    fractionDigits: step === null ? fractionDigits : digitsOfStep(schema, step, isWhole),
  };
}

function digitsOfStep(schema: Reader, step: number, isWhole: boolean): number {
  const { whole, fraction } = decimalOf(step);
  const isTenth = (whole === '1' && fraction === '') || (whole === '0' && /^0*1$/.test(fraction));
  if (!isTenth) throw schema.bad('multipleOf', `1, 0.1, 0.01 or the like, got ${step}`);
  return isWhole ? 0 : fraction.length;
}

function readBounds(schema: Reader): Pick<NumberRange, 'low' | 'high'> {
  const read = (inclusive: 'minimum' | 'maximum', exclusive: 'exclusiveMinimum' | 'exclusiveMaximum', sign: 1 | -1) => {
    const value = schema.number(inclusive);
    // In draft 4 it says whether the other keyword's number itself is excluded.
    const flag = typeof schema.raw(exclusive) === 'boolean' ? schema.flag(exclusive) : undefined;
    const excluded = flag === undefined ? schema.number(exclusive) : undefined;
    return stricter(
      value === undefined ? null : { value, isExcluded: flag ?? false },
      excluded === undefined ? null : { value: excluded, isExcluded: true },
      sign,
    );
  };
  return { low: read('minimum', 'exclusiveMinimum', 1), high: read('maximum', 'exclusiveMaximum', -1) };
}

/** The numbers of a range; null if there is none. */
export function numberItems(json: JsonText, range: NumberRange): Items | null {
  const { low, high, fractionDigits } = range;
  if (low === null && high === null && fractionDigits === maxDigits) return json.number;
  if (low === null && high === null && fractionDigits === 0) return json.wholeNumber;
  for (const bound of [low, high])
    if (bound !== null && Math.abs(bound.value) < beyondDigits && significantDigits(bound) > maxDigits)
      throw new BadInputError(`the schema's bound ${bound.value} has more than ${maxDigits} digits`);
  const writer = new RangeWriter(json.rules, fractionDigits);
  const zero: Bound = { value: 0, isExcluded: false };
  const positive = writer.between(stricter(low, zero, 1) ?? zero, high);
  const minus = high === null ? zero : stricter(negated(high), zero, 1);
  const negative = low !== null && low.value >= 0 ? null : writer.between(minus ?? zero, low && negated(low));
  const alternatives = [positive, negative === null ? null : [...literal('-'), ...negative]];
  const possible = alternatives.filter((each) => each !== null);
  return possible.length === 0 ? null : json.rules.choice(possible);
}

function significantDigits({ value }: Bound): number {
  const { whole, fraction } = decimalOf(value);
  return `${whole}${fraction}`.replace(/^0+/, '').replace(/0+$/, '').length;
}

/** Digits that a text has to keep to, from its first one on; an end with zeros behind it is the same number. */
interface Limit {
  readonly digits: string;
  readonly isExcluded: boolean;
}

/** Writes the numbers between two bounds that are not negative. */
class RangeWriter {
  readonly #rules: RuleBuilder;
  readonly #fractionDigits: number;

  constructor(rules: RuleBuilder, fractionDigits: number) {
    this.#rules = rules;
    this.#fractionDigits = fractionDigits;
  }

  between(low: Bound, high: Bound | null): Items | null {
    const from = decimalOf(low.value);
    if (low.value >= beyondDigits) return null;
    const lower: Limit = { digits: from.fraction, isExcluded: low.isExcluded };
    const to = high === null || high.value >= beyondDigits ? null : decimalOf(high.value);
    if (to === null || high === null)
      return this.#anyOf([
        this.#withFraction(from.whole, lower, null),
        this.#wholeBetween(BigInt(from.whole) + 1n, BigInt(beyondDigits) - 1n),
      ]);
    if (high.value < low.value) return null;
    const upper: Limit = { digits: to.fraction, isExcluded: high.isExcluded };
    if (from.whole === to.whole) return this.#withFraction(from.whole, lower, upper);
    return this.#anyOf([
      this.#withFraction(from.whole, lower, null),
      this.#wholeBetween(BigInt(from.whole) + 1n, BigInt(to.whole) - 1n),
      this.#withFraction(to.whole, null, upper),
    ]);
  }

  #anyOf(alternatives: readonly (Items | null)[]): Items | null {
    const possible = alternatives.filter((each) => each !== null);
    return possible.length === 0 ? null : this.#rules.choice(possible);
  }

  /** A whole part with the fractions that may follow it. */
  #withFraction(whole: string, low: Limit | null, high: Limit | null): Items | null {
    const most = Math.min(this.#fractionDigits, Math.max(0, maxDigits - (whole === '0' ? 0 : whole.length)));
    const digits = this.#digits(0, most, low, high);
    const alternatives: Items[] = mayEnd(0, low, high) ? [[]] : [];
    if (digits !== null) alternatives.push([...literal('.'), ...digits]);
    if (alternatives.length === 0) return null;
    return [...literal(whole), ...this.#rules.choice(alternatives)];
  }

  /** At least one more digit of a fraction that has `at` of them, `most` in all; null if there is none. */
  #digits(at: number, most: number, low: Limit | null, high: Limit | null): Items | null {
    if (at >= most) return null;
    if (low === null && high === null) return this.#rules.repeat([digitRange(0, 9)], 1, most - at);
    const [from, to] = [digitAt(low, at, 0), digitAt(high, at, 9)];
    if (from > to) return null;
    const alternatives: Items[] = [];
    const add = (first: number, last: number, lowAfter: Limit | null, highAfter: Limit | null): void => {
      if (first > last) return;
      const more = this.#digits(at + 1, most, lowAfter, highAfter);
      const ends: Items[] = mayEnd(at + 1, lowAfter, highAfter) ? [[]] : [];
      const following = [...ends, ...(more === null ? [] : [more])];
      if (following.length > 0) alternatives.push([digitRange(first, last), ...this.#rules.choice(following)]);
    };
    if (from === to) add(from, to, low, high);
    else {
      if (low !== null) add(from, from, low, null);
      add(low === null ? from : from + 1, high === null ? to : to - 1, null, null);
      if (high !== null) add(to, to, null, high);
    }
    return this.#anyOf(alternatives);
  }

  /** Whole numbers from `low` to `high`, each with any fraction. */
  #wholeBetween(low: bigint, high: bigint): Items | null {
    const alternatives: Items[] = [];
    for (let length = String(low).length; length <= String(high).length && low <= high; length++) {
      const [least, most] = [length === 1 ? 0n : 10n ** BigInt(length - 1), 10n ** BigInt(length) - 1n];
      const from = String(low > least ? low : least);
      const to = String(high < most ? high : most);
      alternatives.push([...this.#sameLength(from, to), ...this.#anyFraction(length)]);
    }
    return this.#anyOf(alternatives);
  }

  #anyFraction(wholeDigits: number): Items {
    const most = Math.min(this.#fractionDigits, maxDigits - wholeDigits);
    if (most <= 0) return [];
    return this.#rules.optional([...literal('.'), ...this.#rules.repeat([digitRange(0, 9)], 1, most)]);
  }

  /** Texts of digits of one length, in their order. */
  #sameLength(from: string, to: string): Items {
    if (from === to) return literal(from);
    if (/^0*$/.test(from) && /^9*$/.test(to)) return this.#rules.repeat([digitRange(0, 9)], from.length, from.length);
    const [low, high] = [Number(from[0]), Number(to[0])];
    const [restFrom, restTo] = [from.slice(1), to.slice(1)];
    if (low === high) return [digitRange(low, low), ...this.#sameLength(restFrom, restTo)];
    const [zeros, nines] = ['0'.repeat(restFrom.length), '9'.repeat(restFrom.length)];
    const isFullLow = restFrom === zeros;
    const isFullHigh = restTo === nines;
    const alternatives: Items[] = [];
    if (!isFullLow) alternatives.push([digitRange(low, low), ...this.#sameLength(restFrom, nines)]);
    const [first, last] = [isFullLow ? low : low + 1, isFullHigh ? high : high - 1];
    if (first <= last) alternatives.push([digitRange(first, last), ...this.#sameLength(zeros, nines)]);
    if (!isFullHigh) alternatives.push([digitRange(high, high), ...this.#sameLength(zeros, restTo)]);
    return this.#rules.choice(alternatives);
  }
}

/** Whether a fraction may end after `at` digits that are those of the limits so far. */
function mayEnd(at: number, low: Limit | null, high: Limit | null): boolean {
  const isAboveLow = low === null || (at >= low.digits.length && !low.isExcluded);
  const isBelowHigh = high === null || at < high.digits.length || !high.isExcluded;
  return isAboveLow && isBelowHigh;
}

/** The digit of a limit; behind its last one zeros follow. */
function digitAt(limit: Limit | null, at: number, otherwise: number): number {
  return limit === null ? otherwise : Number(limit.digits[at] ?? '0');
}

function digitRange(first: number, last: number): readonly number[] {
  return [0x30 + first, 0x30 + last];
}
