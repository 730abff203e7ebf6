import { TemplateError } from '../errors.ts';
import { containerMethod } from '../library/container-methods.ts';
import type { Runtime } from '../library/runtime.ts';
import { textMethod } from '../library/text-methods.ts';
import { numberOf } from '../values/compare.ts';
import { nameOfType } from '../values/repr.ts';
import { charactersOf } from '../values/text.ts';
import { Attributed, Callable, Dict, Group, Range, Tuple, Undefined, type Value } from '../values/values.ts';
import type { Budget } from './budget.ts';

/**
 * `value.name`: a method or attribute of the value first, then the item of that name.
 * @throws TemplateError for an undefined value
 */
export function attributeOf(value: Value, name: string, runtime: Runtime): Value {
  requireDefined(value);
  return ownAttribute(value, name, runtime) ?? itemIn(value, name, runtime) ?? missing(value, name);
}

/** `value[key]`: the item first, then an attribute of that name. @throws TemplateError for an undefined value */
export function itemOf(value: Value, key: Value, runtime: Runtime): Value {
  requireDefined(value);
  const item = itemIn(value, key, runtime);
  if (item !== undefined) return item;
  return (typeof key === 'string' ? ownAttribute(value, key, runtime) : undefined) ?? missing(value, key);
}

function requireDefined(value: Value): void {
  if (value instanceof Undefined) throw new TemplateError(value.reason);
}

function missing(value: Value, key: Value): Undefined {
  const shown = typeof key === 'string' || typeof key === 'bigint' ? String(key) : nameOfType(key);
  return new Undefined(`'${nameOfType(value)}' object has no attribute '${shown}'`);
}

/** A method or attribute that Python has, or undefined. */
export function ownAttribute(value: Value, name: string, runtime: Runtime): Value | undefined {
  if (value instanceof Attributed) return value.attribute(name);
  if (value instanceof Group && (name === 'grouper' || name === 'list')) return value[name];
  const method = typeof value === 'string' ? textMethod(value, name, runtime) : containerMethod(value, name, runtime);
  return method === undefined ? undefined : new Callable(method);
}

function itemIn(value: Value, key: Value, { budget }: Runtime): Value | undefined {
  if (value instanceof Dict) {
    budget.spendKey(key);
    return isHashable(key) ? value.get(key) : undefined;
  }
  const at = numberOf(key);
  if (typeof at !== 'bigint') return undefined;
  const index = Number(at);
  if (typeof value === 'string') return characterAt(value, index, budget);
  if (Array.isArray(value)) return value.at(index);
  if (value instanceof Tuple) return value.items.at(index);
  if (!(value instanceof Range)) return undefined;
  const place = index < 0 ? index + value.length : index;
  return place >= 0 && place < value.length ? value.at(place) : undefined;
}

/** By code points: a text without characters of two units, as most are, is not taken apart. */
function characterAt(text: string, index: number, budget: Budget): string | undefined {
  budget.spendScan(text.length);
  return /[\ud800-\udfff]/.test(text) ? charactersOf(text).at(index) : text.at(index);
}

function isHashable(key: Value): boolean {
  return !(Array.isArray(key) || key instanceof Dict);
}
