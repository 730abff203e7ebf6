import { Undefined, type Value } from '../values/values.ts';
import type { Runtime } from './runtime.ts';

/**
 * Follows `attribute` of a filter from an item: `"a.b.0"`, or a number. `missing` stands for what is undefined, if it
 * is not null.
 */
export function attributeGetter(attribute: Value, runtime: Runtime, missing: Value = null): (item: Value) => Value {
  if (typeof attribute === 'string') runtime.budget.spendScan(attribute.length);
  const keys: readonly Value[] =
    typeof attribute === 'string'
      ? attribute.split('.').map((part) => (/^\p{Nd}+$/u.test(part) ? BigInt(part) : part))
      : attribute === null
        ? []
        : [attribute];
  return (item) => {
    runtime.budget.spend(keys.length);
    let value = item;
    for (const key of keys) {
      value = runtime.item(value, key);
      if (missing !== null && value instanceof Undefined) value = missing;
    }
    return value;
  };
}

/** What a filter sorts and compares by: an attribute of the item, texts without regard to case unless asked for. */
export function sortKey(
  attribute: Value | undefined,
  isCaseSensitive: boolean,
  runtime: Runtime,
  missing: Value = null,
): (item: Value) => Value {
  const get = attributeGetter(attribute ?? null, runtime, missing);
  return (item) => {
    const value = get(item);
    return typeof value === 'string' && !isCaseSensitive ? runtime.budget.text(value).toLowerCase() : value;
  };
}
