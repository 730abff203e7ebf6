import { TemplateError } from '../errors.ts';
import type { Budget } from '../evaluate/budget.ts';
import { isEqual, sorted } from '../values/compare.ts';
import { isTrue, listOf } from '../values/iterate.ts';
import { countOf } from '../values/numbers.ts';
import { type Arguments, Dict, DictView, Tuple, type Value } from '../values/values.ts';
import { bind, required } from './arguments.ts';
import type { Runtime } from './runtime.ts';

type Method<Of> = (of: Of, args: Arguments, runtime: Runtime) => Value;

/** The method `name` of a list, tuple, dict or number, or undefined. */
export function containerMethod(
  value: Value,
  name: string,
  runtime: Runtime,
): ((args: Arguments) => Value) | undefined {
  if (Array.isArray(value)) return bound({ ...itemMethods, ...listMethods }, name, value, runtime);
  if (value instanceof Tuple) return bound(itemMethods, name, value.items, runtime);
  if (value instanceof Dict) return bound(dictMethods, name, value, runtime);
  if (typeof value === 'number' && name === 'is_integer') return () => Number.isInteger(value);
  return undefined;
}

function bound<Of>(
  methods: Readonly<Record<string, Method<Of>>>,
  name: string,
  of: Of,
  runtime: Runtime,
): ((args: Arguments) => Value) | undefined {
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  return method === undefined ? undefined : (args) => method(of, args, runtime);
}

function indexOf(items: readonly Value[], wanted: Value, runtime: Runtime): number {
  return items.findIndex((item) => isEqual(item, wanted, runtime.budget));
}

const itemMethods: Readonly<Record<string, Method<readonly Value[]>>> = {
  index(items, args, runtime) {
    const at = indexOf(items, required('index', 'value', bind('index', args, 'value')[0]), runtime);
    if (at < 0) throw new TemplateError('the value is not in the list');
    return BigInt(at);
  },
  count(items, args, runtime) {
    const wanted = required('count', 'value', bind('count', args, 'value')[0]);
    return BigInt(items.filter((item) => isEqual(item, wanted, runtime.budget)).length);
  },
};

/** Where a list's own method puts or takes something: a negative place counts from the end. */
function placeIn(items: readonly Value[], at: Value | undefined, missing: number): number {
  const place = at === undefined ? missing : countOf(at);
  return place < 0 ? place + items.length : place;
}

const listMethods: Readonly<Record<string, Method<Value[]>>> = {
  append(items, args, { budget }) {
    budget.spendItems(items.length + 1);
    items.push(required('append', 'object', bind('append', args, 'object')[0]));
    return null;
  },
  extend(items, args, { budget }) {
    const more = listOf(required('extend', 'iterable', bind('extend', args, 'iterable')[0]), budget);
    budget.spendItems(items.length + more.length);
    for (const item of more) items.push(item);
    return null;
  },
  insert(items, args, { budget }) {
    const [at, item] = bind('insert', args, 'index', 'object');
    budget.spendItems(items.length + 1);
    items.splice(Math.max(0, placeIn(items, at, 0)), 0, required('insert', 'object', item));
    return null;
  },
  pop(items, args) {
    const at = placeIn(items, bind('pop', args, 'index')[0], -1);
    const item = items[at];
    if (item === undefined) throw new TemplateError('pop index out of range');
    items.splice(at, 1);
    return item;
  },
  remove(items, args, runtime) {
    const at = indexOf(items, required('remove', 'value', bind('remove', args, 'value')[0]), runtime);
    if (at < 0) throw new TemplateError('the value is not in the list');
    items.splice(at, 1);
    return null;
  },
  clear(items) {
    items.length = 0;
    return null;
  },
  copy: (items, _args, { budget }) => listOf(items, budget),
  reverse(items, _args, { budget }) {
    budget.spendItems(items.length);
    items.reverse();
    return null;
  },
  sort(items, args, runtime) {
    const [key = null, backwards = false] = bind(
      'sort',
      { ...args, positional: [null, ...args.positional] },
      'key',
      'reverse',
    );
    const keyOf = (item: Value): Value =>
      key === null ? item : runtime.call(key, { positional: [item], named: new Map() });
    const ordered = sorted(items, keyOf, isTrue(backwards), runtime.budget);
    for (const [at, item] of ordered.entries()) items[at] = item;
    return null;
  },
};

const dictMethods: Readonly<Record<string, Method<Dict>>> = {
  get(dict, args, { budget }) {
    const [key, missing = null] = bind('get', args, 'key', 'default');
    const wanted = required('get', 'key', key);
    budget.spendKey(wanted);
    return dict.get(wanted) ?? missing;
  },
  items: (dict) => new DictView(dict, 'items'),
  keys: (dict) => new DictView(dict, 'keys'),
  values: (dict) => new DictView(dict, 'values'),
  copy: (dict, _args, { budget }) => new Dict(paidEntries(dict, budget)),
  clear(dict) {
    dict.clear();
    return null;
  },
  update(dict, { positional, named }, runtime) {
    const [source] = positional;
    for (const [key, value] of source === undefined ? [] : entriesOf(source, runtime)) put(dict, key, value, runtime);
    for (const [key, value] of named) put(dict, key, value, runtime);
    return null;
  },
  setdefault(dict, args, runtime) {
    const [key, value = null] = bind('setdefault', args, 'key', 'default');
    const wanted = required('setdefault', 'key', key);
    runtime.budget.spendKey(wanted);
    const known = dict.get(wanted);
    if (known !== undefined) return known;
    put(dict, wanted, value, runtime);
    return value;
  },
  pop(dict, args, { budget }) {
    const [key, missing] = bind('pop', args, 'key', 'default');
    const wanted = required('pop', 'key', key);
    budget.spendKey(wanted);
    const value = dict.get(wanted) ?? missing;
    if (value === undefined) throw new TemplateError('pop of a key that the dict does not have');
    dict.delete(wanted);
    return value;
  },
  popitem(dict, _args, { budget }) {
    const last = paidEntries(dict, budget).at(-1);
    if (last === undefined) throw new TemplateError('popitem of an empty dict');
    dict.delete(last[0]);
    return new Tuple(last);
  },
};

function put(dict: Dict, key: Value, value: Value, { budget }: Runtime): void {
  budget.spend(1);
  budget.spendKey(key);
  dict.set(key, value);
}

function paidEntries(dict: Dict, budget: Budget): (readonly [Value, Value])[] {
  budget.spend(dict.size);
  for (const key of dict.keys()) budget.spendKey(key);
  return [...dict.entries()];
}

/** The pairs of a dict, or of a list of pairs. @throws TemplateError for anything else */
export function entriesOf(source: Value, runtime: Runtime): (readonly [Value, Value])[] {
  if (source instanceof Dict) return paidEntries(source, runtime.budget);
  return listOf(source, runtime.budget).map((pair) => {
    const [key, value, ...more] = listOf(pair, runtime.budget);
    if (key === undefined || value === undefined || more.length > 0) throw new TemplateError('a dict is made of pairs');
    runtime.budget.spendKey(key);
    return [key, value];
  });
}
