import { TemplateError } from '../errors.ts';
import type { Budget } from '../evaluate/budget.ts';
import { iterate } from './iterate.ts';
import { nameOfType } from './repr.ts';
import { Dict, DictView, Range, Tuple, Undefined, type Value } from './values.ts';

/** A number for arithmetic: true counts as 1. Null for anything else. */
export function numberOf(value: Value): bigint | number | null {
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return typeof value === 'bigint' || typeof value === 'number' ? value : null;
}

/** `a == b`. */
export function isEqual(a: Value, b: Value, budget: Budget): boolean {
  budget.spend(1);
  const [x, y] = [numberOf(a), numberOf(b)];
  // JavaScript compares bigint and number by their exact values, as Python does.
  // biome-ignore lint/suspicious/noDoubleEquals: an integer equals the float of the same value
  if (x !== null && y !== null) return x == y;
  if (typeof a === 'string' && typeof b === 'string') {
    budget.spendText(Math.min(a.length, b.length));
    return a === b;
  }
  if (a instanceof Undefined) return b instanceof Undefined;
  return a === b || budget.deeper(() => isSameContent(a, b, budget));
}

function isSameContent(a: Value, b: Value, budget: Budget): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return isSameList(a, b, budget);
  if (a instanceof Tuple && b instanceof Tuple) return isSameList(a.items, b.items, budget);
  if (a instanceof Range && b instanceof Range) return isSameRange(a, b);
  if (!(a instanceof Dict && b instanceof Dict) || a.size !== b.size) return false;
  for (const [key, value] of a.entries()) {
    budget.spendKey(key);
    const other = b.get(key);
    if (other === undefined || !isEqual(value, other, budget)) return false;
  }
  return true;
}

function isSameList(a: readonly Value[], b: readonly Value[], budget: Budget): boolean {
  return a.length === b.length && a.every((item, at) => isEqual(item, b[at] ?? null, budget));
}

function isSameRange(a: Range, b: Range): boolean {
  return a.length === b.length && (a.length === 0 || (a.start === b.start && (a.length === 1 || a.step === b.step)));
}

/**
 * Negative if `a` is less than `b`, 0 if neither is, NaN if they are floats without order.
 * @throws TemplateError if Python has no order
 */
export function compare(a: Value, b: Value, budget: Budget): number {
  budget.spend(1);
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== null && y !== null) return x < y ? -1 : x > y ? 1 : Number.isNaN(x) || Number.isNaN(y) ? Number.NaN : 0;
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b, budget);
  if (Array.isArray(a) && Array.isArray(b)) return budget.deeper(() => compareLists(a, b, budget));
  if (a instanceof Tuple && b instanceof Tuple) return budget.deeper(() => compareLists(a.items, b.items, budget));
  if (a instanceof Undefined) throw new TemplateError(a.reason);
  if (b instanceof Undefined) throw new TemplateError(b.reason);
  throw new TemplateError(`'${nameOfType(a)}' and '${nameOfType(b)}' have no order`);
}

/** By code points, which UTF-16 does not always follow. */
function compareTexts(a: string, b: string, budget: Budget): number {
  const length = Math.min(a.length, b.length);
  budget.spendText(length);
  let at = 0;
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  if (at === length) return a.length - b.length;
  const isHalf = (text: string): boolean => /[\udc00-\udfff]/.test(text[at] ?? '') && at > 0;
  const from = isHalf(a) || isHalf(b) ? at - 1 : at;
  return (a.codePointAt(from) ?? 0) - (b.codePointAt(from) ?? 0);
}

function compareLists(a: readonly Value[], b: readonly Value[], budget: Budget): number {
  for (const [at, item] of a.entries()) {
    const other = b[at];
    if (other === undefined) return 1;
    if (!isEqual(item, other, budget)) return compare(item, other, budget);
  }
  return a.length - b.length;
}

/** `sorted(items, key, reverse)`: stable, also backwards. */
export function sorted(
  items: readonly Value[],
  keyOf: (item: Value) => Value,
  reverse: boolean,
  budget: Budget,
): Value[] {
  const keyed = items.map((item) => ({ item, key: keyOf(item) }));
  const sign = reverse ? -1 : 1;
  return keyed.sort((a, b) => sign * (compare(a.key, b.key, budget) || 0)).map(({ item }) => item);
}

/** `item in container`. */
export function contains(container: Value, item: Value, budget: Budget): boolean {
  if (typeof container === 'string') {
    if (typeof item !== 'string')
      throw new TemplateError(`'in <string>' requires string as left operand, not ${nameOfType(item)}`);
    budget.spendText(container.length);
    budget.spendSearch(container.length, item);
    return container.includes(item);
  }
  if (container instanceof Dict || (container instanceof DictView && container.part === 'keys')) {
    budget.spendKey(item);
    return (container instanceof Dict ? container : container.dict).has(item);
  }
  if (!(container instanceof Range)) {
    for (const each of iterate(container, budget)) if (isEqual(each, item, budget)) return true;
    return false;
  }
  const number = numberOf(item);
  if (number === null || (typeof number === 'number' && !Number.isInteger(number))) return false;
  const steps = BigInt(number) - container.start;
  return steps % container.step === 0n && steps / container.step >= 0n && steps / container.step < container.length;
}
