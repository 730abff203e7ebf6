import { TemplateError } from '../errors.ts';
import type { Budget } from '../evaluate/budget.ts';
import { nameOfType } from './repr.ts';
import { lengthOf } from './text.ts';
import { Dict, DictView, Lazy, Markup, Range, Tuple, Undefined, type Value } from './values.ts';

/**
 * The items of a value, each paid for; a list is gone through as it is at that time.
 * @throws TemplateError for one without items
 */
export function iterate(value: Value, budget: Budget): Iterable<Value> {
  const items = itemsOf(value);
  if (items === null) throw new TemplateError(`'${nameOfType(value)}' object is not iterable`);
  return paid(items, budget);
}

function* paid(items: Iterable<Value>, budget: Budget): Generator<Value> {
  for (const item of items) {
    budget.spend(1);
    yield item;
  }
}

function itemsOf(value: Value): Iterable<Value> | null {
  if (typeof value === 'string' || Array.isArray(value)) return value;
  if (value instanceof Tuple) return value.items;
  if (value instanceof Dict) return value.keys();
  if (value instanceof DictView) return viewItems(value);
  if (value instanceof Range) return rangeItems(value);
  if (value instanceof Lazy) return lazyItems(value);
  return value instanceof Undefined ? [] : null;
}

export function isIterable(value: Value): boolean {
  return itemsOf(value) !== null;
}

/** `list(value)`. */
export function listOf(value: Value, budget: Budget): Value[] {
  const length = sizeOf(value, budget);
  if (length !== null) budget.spendItems(length);
  const items: Value[] = [];
  for (const item of iterate(value, budget)) items.push(item);
  budget.spendItems(items.length);
  return items;
}

/** `len(value)`, or null for a value without. */
export function sizeOf(value: Value, budget: Budget): number | null {
  if (typeof value !== 'string') return itemCount(value);
  budget.spendScan(value.length);
  return lengthOf(value);
}

function itemCount(value: Exclude<Value, string>): number | null {
  if (Array.isArray(value)) return value.length;
  if (value instanceof Tuple) return value.items.length;
  if (value instanceof Dict) return value.size;
  if (value instanceof DictView) return value.dict.size;
  if (value instanceof Range) return value.length;
  return value instanceof Undefined ? 0 : null;
}

/** `bool(value)`. */
export function isTrue(value: Value): boolean {
  if (value === null) return false;
  if (typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return value !== 0n;
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'string') return value !== '';
  if (value instanceof Markup) return value.text !== '';
  return itemCount(value) !== 0;
}

function* viewItems({ dict, part }: DictView): Generator<Value> {
  if (part === 'keys') yield* dict.keys();
  else if (part === 'values') yield* dict.values();
  else for (const [key, value] of dict.entries()) yield new Tuple([key, value]);
}

function* rangeItems(range: Range): Generator<Value> {
  for (let at = 0; at < range.length; at++) yield range.at(at);
}

function* lazyItems({ items }: Lazy): Generator<Value> {
  for (let next = items.next(); next.done !== true; next = items.next()) yield next.value;
}
