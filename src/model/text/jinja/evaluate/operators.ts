import { TemplateError } from '../errors.ts';
import { percentFormat } from '../library/percent-format.ts';
import { compare, contains, isEqual, numberOf } from '../values/compare.ts';
import { sizeOf } from '../values/iterate.ts';
import { calculate, countOf, type Operator } from '../values/numbers.ts';
import { nameOfType } from '../values/repr.ts';
import { charactersOf } from '../values/text.ts';
import { Markup, Range, Tuple, Undefined, type Value } from '../values/values.ts';
import type { Budget } from './budget.ts';

export type { Operator } from '../values/numbers.ts';

/** `a <operator> b` for numbers, texts and lists. @throws TemplateError if Python has no such operation */
export function combine(operator: Operator, a: Value, b: Value, budget: Budget): Value {
  for (const side of [a, b]) if (side instanceof Undefined) throw new TemplateError(side.reason);
  if (operator !== '+' && (a instanceof Markup || b instanceof Markup))
    return combine(operator, a instanceof Markup ? a.text : a, b instanceof Markup ? b.text : b, budget);
  if (operator === '%' && typeof a === 'string') return percentFormat(a, b, budget);
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== null && y !== null) return calculate(operator, x, y);
  if (operator === '+') return added(a, b, budget);
  if (operator === '*') {
    if (typeof y === 'bigint') return repeated(a, y, budget);
    if (typeof x === 'bigint') return repeated(b, x, budget);
  }
  throw unsupported(operator, a, b);
}

function unsupported(operator: string, a: Value, b: Value): TemplateError {
  return new TemplateError(`unsupported operand types for ${operator}: '${nameOfType(a)}' and '${nameOfType(b)}'`);
}

function added(a: Value, b: Value, budget: Budget): Value {
  if (a instanceof Markup || b instanceof Markup) return addedMarkup(a, b, budget);
  if (typeof a === 'string' && typeof b === 'string') {
    budget.spendText(a.length + b.length);
    return a + b;
  }
  const isPair = (Array.isArray(a) && Array.isArray(b)) || (a instanceof Tuple && b instanceof Tuple);
  if (!isPair) throw unsupported('+', a, b);
  budget.spendItems((sizeOf(a, budget) ?? 0) + (sizeOf(b, budget) ?? 0));
  if (a instanceof Tuple && b instanceof Tuple) return new Tuple([...a.items, ...b.items]);
  return Array.isArray(a) && Array.isArray(b) ? [...a, ...b] : null;
}

/** Text beside a marked one is escaped, though nothing else is here: templates that mark by mistake rely on it. */
function addedMarkup(a: Value, b: Value, budget: Budget): Markup {
  const [left, right] = [a, b].map((side) => {
    if (side instanceof Markup) return side.text;
    if (typeof side !== 'string') throw unsupported('+', a, b);
    budget.spendScan(side.length);
    return Markup.escape(side);
  });
  return new Markup(budget.join([left ?? '', right ?? ''], ''));
}

function repeated(value: Value, times: bigint, budget: Budget): Value {
  const count = Math.max(0, Number(times));
  if (typeof value === 'string') {
    if (value === '' || count === 0) return '';
    budget.spendText(value.length * count);
    return value.repeat(count);
  }
  const items = Array.isArray(value) ? value : value instanceof Tuple ? value.items : null;
  if (items === null) throw unsupported('*', value, times);
  budget.spendItems(items.length * count);
  const all = items.length === 0 ? [] : Array.from({ length: count }, () => items).flat(1);
  return Array.isArray(value) ? all : new Tuple(all);
}

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

export function isRelated(operator: Comparison, a: Value, b: Value, budget: Budget): boolean {
  switch (operator) {
    case '==':
      return isEqual(a, b, budget);
    case '!=':
      return !isEqual(a, b, budget);
    case 'in':
      return contains(b, a, budget);
    case 'not in':
      return !contains(b, a, budget);
    case '<':
      return compare(a, b, budget) < 0;
    case '<=':
      return compare(a, b, budget) <= 0;
    case '>':
      return compare(a, b, budget) > 0;
    default:
      return compare(a, b, budget) >= 0;
  }
}

/** `-value`, `+value`. */
export function signed(sign: '-' | '+', value: Value): Value {
  const number = numberOf(value);
  if (number === null)
    throw new TemplateError(
      value instanceof Undefined ? value.reason : `bad operand type for unary ${sign}: '${nameOfType(value)}'`,
    );
  return sign === '-' ? -number : number;
}

/**
 * `value[start:stop:step]`.
 * @throws TemplateError for a value without slices, a step of 0 or bounds that are no integers
 */
export function slice(
  value: Value,
  bounds: { readonly start: Value; readonly stop: Value; readonly step: Value },
  budget: Budget,
): Value {
  const size = sizeOf(value, budget);
  const isSliceable =
    typeof value === 'string' || Array.isArray(value) || value instanceof Tuple || value instanceof Range;
  if (size === null || !isSliceable)
    throw new TemplateError(value instanceof Undefined ? value.reason : `'${nameOfType(value)}' has no slices`);
  const step = bounds.step === null ? 1 : countOf(bounds.step);
  if (step === 0) throw new TemplateError('slice step cannot be zero');
  const place = (bound: Value, missing: number): number => {
    if (bound === null) return missing;
    const at = countOf(bound);
    const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
    return Math.min(Math.max(at < 0 ? at + size : at, low), high);
  };
  const start = place(bounds.start, step > 0 ? 0 : size - 1);
  const stop = place(bounds.stop, step > 0 ? size : -1);
  if (value instanceof Range) return slicedRange(value, start, stop, step);
  budget.spendItems(typeof value === 'string' ? 0 : size);
  if (typeof value === 'string') return slicedText(value, start, stop, step, budget);
  const items = picked(Array.isArray(value) ? value : value.items, start, stop, step);
  return Array.isArray(value) ? items : new Tuple(items);
}

function picked<T>(items: readonly T[], start: number, stop: number, step: number): T[] {
  if (step === 1) return items.slice(start, Math.max(start, stop));
  const chosen: T[] = [];
  for (let at = start; step > 0 ? at < stop : at > stop; at += step) {
    const item = items[at];
    if (item !== undefined) chosen.push(item);
  }
  return chosen;
}

function slicedText(text: string, start: number, stop: number, step: number, budget: Budget): string {
  budget.spendScan(text.length);
  return picked(charactersOf(text), start, stop, step).join('');
}

function slicedRange(range: Range, start: number, stop: number, step: number): Range {
  const at = (index: number): bigint => range.start + range.step * BigInt(index);
  return new Range(at(start), at(stop), range.step * BigInt(step));
}
