import { TemplateError } from '../errors.ts';
import { combine } from '../evaluate/operators.ts';
import { compare, isEqual, sorted } from '../values/compare.ts';
import { isTrue, iterate, listOf } from '../values/iterate.ts';
import { countOf } from '../values/numbers.ts';
import { nameOfType, textOf } from '../values/repr.ts';
import { charactersOf } from '../values/text.ts';
import { Dict, DictView, Group, Lazy, Range, Tuple, Undefined, type Value } from '../values/values.ts';
import { bind, required } from './arguments.ts';
import { attributeGetter, sortKey } from './attribute-path.ts';
import type { Filter, Runtime } from './runtime.ts';

const join: Filter = (value, args, runtime) => {
  const { budget } = runtime;
  const [separator = '', attribute = null] = bind('join', args, 'd', 'attribute');
  const get = attributeGetter(attribute, runtime);
  const parts = listOf(value, budget).map((item) => textOf(get(item), budget));
  return budget.join(parts, textOf(separator, budget));
};

/** The items in reverse, for values that can be gone through from their end; null for the others. */
function reversedItems(value: Value, runtime: Runtime): Value[] | null {
  const canReverse =
    Array.isArray(value) ||
    value instanceof Tuple ||
    value instanceof Dict ||
    value instanceof DictView ||
    value instanceof Range;
  return canReverse ? listOf(value, runtime.budget).reverse() : null;
}

const last: Filter = (value, _args, runtime) => {
  if (typeof value === 'string')
    return charactersOf(runtime.budget.text(value)).at(-1) ?? new Undefined('the sequence was empty');
  if (Array.isArray(value) && value.length > 0) return value.at(-1) ?? null;
  const items = reversedItems(value, runtime);
  if (value instanceof Undefined) return value;
  if (items === null) throw new TemplateError(`'${nameOfType(value)}' object is not reversible`);
  return items[0] ?? new Undefined('the sequence was empty');
};

const reverse: Filter = (value, _args, runtime) => {
  if (typeof value === 'string') return charactersOf(runtime.budget.text(value)).reverse().join('');
  const items = reversedItems(value, runtime);
  return items === null ? listOf(value, runtime.budget).reverse() : new Lazy(items);
};

const dictsort: Filter = (value, args, { budget }) => {
  const [sensitive = false, by = 'key', backwards = false] = bind('dictsort', args, 'case_sensitive', 'by', 'reverse');
  if (by !== 'key' && by !== 'value') throw new TemplateError('you can only sort by either "key" or "value"');
  if (!(value instanceof Dict))
    throw new TemplateError(value instanceof Undefined ? value.reason : 'only a mapping has keys to sort by');
  const pairs = [...value.entries()].map((pair) => new Tuple(pair));
  budget.spendItems(pairs.length);
  const keyOf = (pair: Value): Value => {
    const key = (pair as Tuple).items[by === 'key' ? 0 : 1] ?? null;
    return typeof key === 'string' && !isTrue(sensitive) ? budget.text(key).toLowerCase() : key;
  };
  return sorted(pairs, keyOf, isTrue(backwards), budget);
};

const sort: Filter = (value, args, runtime) => {
  const [backwards = false, sensitive = false, attribute = null] = bind(
    'sort',
    args,
    'reverse',
    'case_sensitive',
    'attribute',
  );
  const paths = typeof attribute === 'string' ? attribute.split(',') : [attribute];
  runtime.budget.spendItems(paths.length);
  const keys = paths.map((path) => sortKey(path, isTrue(sensitive), runtime));
  const items = listOf(value, runtime.budget);
  return sorted(items, (item) => new Tuple(keys.map((key) => key(item))), isTrue(backwards), runtime.budget);
};

function* unique(value: Value, args: Parameters<Filter>[1], runtime: Runtime): Generator<Value> {
  const [sensitive = false, attribute = null] = bind('unique', args, 'case_sensitive', 'attribute');
  const keyOf = sortKey(attribute, isTrue(sensitive), runtime);
  const seen = new Dict();
  for (const item of iterate(value, runtime.budget)) {
    const key = keyOf(item);
    runtime.budget.spendKey(key);
    if (seen.has(key)) continue;
    seen.set(key, true);
    yield item;
  }
}

/** `min` and `max`: the first of the least or greatest. */
function extreme(sign: 1 | -1): Filter {
  return (value, args, runtime) => {
    const [sensitive = false, attribute = null] = bind('min', args, 'case_sensitive', 'attribute');
    const keyOf = sortKey(attribute, isTrue(sensitive), runtime);
    let best: { readonly item: Value; readonly key: Value } | null = null;
    for (const item of iterate(value, runtime.budget)) {
      const key = keyOf(item);
      if (best === null || compare(key, best.key, runtime.budget) * sign < 0) best = { item, key };
    }
    return best === null ? new Undefined('no aggregated item, sequence was empty') : best.item;
  };
}

const groupby: Filter = (value, args, runtime) => {
  const [attribute, missing = null, sensitive = false] = bind(
    'groupby',
    args,
    'attribute',
    'default',
    'case_sensitive',
  );
  const path = required('groupby', 'attribute', attribute);
  const keyOf = sortKey(path, isTrue(sensitive), runtime, missing);
  const shown = attributeGetter(path, runtime, missing);
  const groups: { readonly key: Value; readonly items: Value[] }[] = [];
  for (const item of sorted(listOf(value, runtime.budget), keyOf, false, runtime.budget)) {
    const key = keyOf(item);
    const open = groups.at(-1);
    if (open !== undefined && isEqual(open.key, key, runtime.budget)) open.items.push(item);
    else groups.push({ key, items: [item] });
  }
  return groups.map(({ key, items }) => new Group(isTrue(sensitive) ? key : shown(items[0] ?? null), items));
};

function* batches(value: Value, size: number, fill: Value, runtime: Runtime): Generator<Value> {
  let batch: Value[] = [];
  for (const item of iterate(value, runtime.budget)) {
    if (batch.length === size) {
      yield batch;
      batch = [];
    }
    batch.push(item);
  }
  if (batch.length === 0) return;
  if (fill !== null && size > batch.length) {
    runtime.budget.spendItems(size);
    while (batch.length < size) batch.push(fill);
  }
  yield batch;
}

function* slices(value: Value, count: number, fill: Value, runtime: Runtime): Generator<Value> {
  const items = listOf(value, runtime.budget);
  if (count === 0) throw new TemplateError('division by zero');
  const size = Math.floor(items.length / count);
  const withOneMore = items.length - size * count;
  for (let at = 0; at < count; at++) {
    const start = at * size + Math.min(at, withOneMore);
    const part = items.slice(start, start + size + (at < withOneMore ? 1 : 0));
    if (fill !== null && at >= withOneMore) part.push(fill);
    runtime.budget.spend(1 + part.length);
    yield part;
  }
}

/** Filters of a list, or whatever has items. */
export const sequenceFilters: Readonly<Record<string, Filter>> = {
  join,
  last,
  reverse,
  dictsort,
  sort,
  groupby,
  min: extreme(1),
  max: extreme(-1),
  unique: (value, args, runtime) => new Lazy(unique(value, args, runtime)),
  list: (value, _args, { budget }) => listOf(value, budget),
  first(value, _args, { budget }) {
    for (const item of iterate(value, budget)) return item;
    return new Undefined('no first item, sequence was empty');
  },
  items(value) {
    if (value instanceof Undefined) return new Lazy([]);
    if (!(value instanceof Dict)) throw new TemplateError('can only get item pairs from a mapping');
    return new Lazy(pairsOf(value));
  },
  sum(value, args, runtime) {
    const [attribute = null, start = 0n] = bind('sum', args, 'attribute', 'start');
    const get = attributeGetter(attribute, runtime);
    if (typeof start === 'string') throw new TemplateError("sum() can't sum strings");
    let sum: Value = start;
    for (const item of iterate(value, runtime.budget)) sum = combine('+', sum, get(item), runtime.budget);
    return sum;
  },
  batch(value, args, runtime) {
    const [size, fill = null] = bind('batch', args, 'linecount', 'fill_with');
    return new Lazy(batches(value, countOf(required('batch', 'linecount', size)), fill, runtime));
  },
  slice(value, args, runtime) {
    const [count, fill = null] = bind('slice', args, 'slices', 'fill_with');
    return new Lazy(slices(value, countOf(required('slice', 'slices', count)), fill, runtime));
  },
};

function* pairsOf(dict: Dict): Generator<Value> {
  for (const pair of dict.entries()) yield new Tuple(pair);
}
