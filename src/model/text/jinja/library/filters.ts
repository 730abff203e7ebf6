import { TemplateError } from '../errors.ts';
import { isTrue, iterate } from '../values/iterate.ts';
import { reprOf } from '../values/repr.ts';
import { type Arguments, Lazy, Undefined, type Value } from '../values/values.ts';
import { attributeGetter } from './attribute-path.ts';
import type { Filter, Runtime } from './runtime.ts';
import { sequenceFilters } from './sequence-filters.ts';
import { applyTest } from './tests.ts';
import { textFilters } from './text-filters.ts';
import { valueFilters } from './value-filters.ts';

/** Jinja2's filters without those that are for web pages, or random. */
const filters: ReadonlyMap<string, Filter> = new Map<string, Filter>([
  ...Object.entries(valueFilters),
  ...Object.entries(textFilters),
  ...Object.entries(sequenceFilters),
  ['map', (value, args, runtime) => new Lazy(mapped(value, args, runtime))],
  ['select', (value, args, runtime) => new Lazy(selected(value, args, runtime, true, false))],
  ['reject', (value, args, runtime) => new Lazy(selected(value, args, runtime, false, false))],
  ['selectattr', (value, args, runtime) => new Lazy(selected(value, args, runtime, true, true))],
  ['rejectattr', (value, args, runtime) => new Lazy(selected(value, args, runtime, false, true))],
]);

export function isFilter(name: string): boolean {
  return filters.has(name);
}

/** `value | name(args)`. @throws TemplateError for an unknown filter, or one that does not take this */
export function applyFilter(name: string, value: Value, args: Arguments, runtime: Runtime): Value {
  const filter = filters.get(name);
  if (filter === undefined) throw new TemplateError(`no filter named '${name.slice(0, 40)}'`);
  return filter(value, args, runtime);
}

function* mapped(value: Value, { positional, named }: Arguments, runtime: Runtime): Generator<Value> {
  if (!isTrue(value)) return;
  const change = changeOf(positional, named, runtime);
  for (const item of iterate(value, runtime.budget)) yield change(item);
}

function changeOf(
  positional: readonly Value[],
  named: ReadonlyMap<string, Value>,
  runtime: Runtime,
): (item: Value) => Value {
  const attribute = named.get('attribute');
  if (positional.length === 0 && attribute !== undefined) {
    for (const name of named.keys())
      if (name !== 'attribute' && name !== 'default') throw new TemplateError(`unexpected keyword argument '${name}'`);
    return attributeGetter(attribute, runtime, named.get('default') ?? null);
  }
  const [name, ...rest] = positional;
  if (name === undefined) throw new TemplateError('map requires a filter argument');
  if (typeof name !== 'string') throw new TemplateError(`no filter named ${reprOf(name, runtime.budget)}`);
  return (item) => applyFilter(name, item, { positional: rest, named }, runtime);
}

function* selected(
  value: Value,
  { positional, named }: Arguments,
  runtime: Runtime,
  keeps: boolean,
  byAttribute: boolean,
): Generator<Value> {
  if (!isTrue(value)) return;
  const [attribute] = positional;
  if (byAttribute && attribute === undefined) throw new TemplateError('missing parameter for attribute name');
  const get = byAttribute && attribute !== undefined ? attributeGetter(attribute, runtime) : (item: Value) => item;
  const [test, ...rest] = byAttribute ? positional.slice(1) : positional;
  if (test !== undefined && typeof test !== 'string')
    throw new TemplateError(test instanceof Undefined ? test.reason : 'the name of a test is a text');
  for (const item of iterate(value, runtime.budget)) {
    const subject = get(item);
    const holds = test === undefined ? isTrue(subject) : applyTest(test, subject, { positional: rest, named }, runtime);
    if (holds === keeps) yield item;
  }
}
