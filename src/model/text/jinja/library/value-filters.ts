import { TemplateError } from '../errors.ts';
import { ownAttribute } from '../evaluate/access.ts';
import { numberOf } from '../values/compare.ts';
import { isTrue, sizeOf } from '../values/iterate.ts';
import {
  calculate,
  countOf,
  type Numeric,
  parseFloating,
  parseInteger,
  requireNumber,
  roundNumber,
} from '../values/numbers.ts';
import { nameOfType, textOf } from '../values/repr.ts';
import { Tuple, Undefined, type Value } from '../values/values.ts';
import { bind, required } from './arguments.ts';
import { writeJson } from './json.ts';
import type { Filter } from './runtime.ts';

const length: Filter = (value, _args, { budget }) => {
  const size = sizeOf(value, budget);
  if (size === null) throw new TemplateError(`object of type '${nameOfType(value)}' has no len()`);
  return BigInt(size);
};

const otherwise: Filter = (value, args) => {
  const [other = '', evenIfFalse = false] = bind('default', args, 'default_value', 'boolean');
  return value instanceof Undefined || (isTrue(evenIfFalse) && !isTrue(value)) ? other : value;
};

const toInteger: Filter = (value, args, { budget }) => {
  const [missing = 0n, base = 10n] = bind('int', args, 'default', 'base');
  if (value instanceof Undefined) throw new TemplateError(value.reason);
  if (typeof value === 'string') budget.spend(value.length);
  const number = typeof value === 'string' ? parseInteger(value, countOf(base)) : numberOf(value);
  if (typeof number === 'bigint') return number;
  const float = number ?? (typeof value === 'string' ? parseFloating(value) : null);
  return float === null || !Number.isFinite(float) ? missing : BigInt(Math.trunc(float));
};

const toFloat: Filter = (value, args, { budget }) => {
  const [missing = 0] = bind('float', args, 'default');
  if (value instanceof Undefined) throw new TemplateError(value.reason);
  if (typeof value === 'string') budget.spend(value.length);
  const number = typeof value === 'string' ? parseFloating(value) : numberOf(value);
  return number === null ? missing : Number(number);
};

const round: Filter = (value, args) => {
  const [precision = 0n, method = 'common'] = bind('round', args, 'precision', 'method');
  const number = requireNumber(value);
  const places = countOf(precision);
  if (method === 'common') return roundNumber(number, places);
  if (method !== 'ceil' && method !== 'floor') throw new TemplateError('method must be common, ceil or floor');
  const unit = calculate('**', 10n, BigInt(places));
  const scaled = calculate('*', number, unit);
  const whole: Numeric = typeof scaled === 'bigint' ? scaled : BigInt(Math[method](scaled));
  return calculate('/', whole, unit);
};

/** As chat templates know it: no HTML escapes, the order of the keys kept, other letters than ASCII as they are. */
const toJson: Filter = (value, args, { budget }) => {
  const [ascii = false, indent = null, separators = null, sortKeys = false] = bind(
    'tojson',
    args,
    'ensure_ascii',
    'indent',
    'separators',
    'sort_keys',
  );
  const level = indent === null || typeof indent === 'string' ? indent : Math.max(0, countOf(indent));
  if (typeof level === 'number') budget.spendText(level);
  const style = {
    ensureAscii: isTrue(ascii),
    indent: typeof level === 'number' ? ' '.repeat(level) : level,
    separators: separatorsOf(separators, indent !== null),
    sortKeys: isTrue(sortKeys),
  };
  return writeJson(value, style, budget);
};

function separatorsOf(given: Value, isIndented: boolean): readonly [string, string] {
  if (given === null) return [isIndented ? ',' : ', ', ': '];
  const [item, key, ...more] = Array.isArray(given) ? given : given instanceof Tuple ? given.items : [];
  if (typeof item !== 'string' || typeof key !== 'string' || more.length > 0)
    throw new TemplateError('separators must be two texts');
  return [item, key];
}

/** Filters of any value. */
export const valueFilters: Readonly<Record<string, Filter>> = {
  abs(value) {
    const number = requireNumber(value);
    return typeof number === 'bigint' ? (number < 0n ? -number : number) : Math.abs(number);
  },
  attr(value, args, runtime) {
    const [name] = bind('attr', args, 'name');
    if (value instanceof Undefined) throw new TemplateError(value.reason);
    const key = textOf(required('attr', 'name', name), runtime.budget);
    return ownAttribute(value, key, runtime) ?? new Undefined(`'${nameOfType(value)}' has no attribute '${key}'`);
  },
  count: length,
  length,
  d: otherwise,
  default: otherwise,
  int: toInteger,
  float: toFloat,
  round,
  string: (value, _args, { budget }) => textOf(value, budget),
  tojson: toJson,
};
