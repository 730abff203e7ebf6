import { TemplateError } from '../errors.ts';
import { type Comparison, isRelated } from '../evaluate/operators.ts';
import { contains, numberOf } from '../values/compare.ts';
import { isIterable, sizeOf } from '../values/iterate.ts';
import { calculate, requireNumber } from '../values/numbers.ts';
import { textOf } from '../values/repr.ts';
import { hasCase } from '../values/text.ts';
import { type Arguments, Attributed, Callable, Dict, DictView, Undefined, type Value } from '../values/values.ts';
import { bind, required } from './arguments.ts';
import type { Runtime } from './runtime.ts';

type Test = (value: Value, args: Arguments, runtime: Runtime) => boolean;

/** A test of the value alone. */
function plain(test: (value: Value, runtime: Runtime) => boolean): Test {
  return (value, args, runtime) => {
    bind('test', args);
    return test(value, runtime);
  };
}

/** A test against one argument. */
function against(test: (value: Value, other: Value, runtime: Runtime) => boolean): Test {
  return (value, { positional, named }, runtime) => {
    const [other = required('test', 'other', [...named.values()][0])] = positional;
    if (positional.length + named.size !== 1) throw new TemplateError('the test takes one argument');
    return test(value, other, runtime);
  };
}

function relation(operator: Comparison): Test {
  return against((value, other, { budget }) => isRelated(operator, value, other, budget));
}

function isDivisible(value: Value, by: bigint): boolean {
  const rest = calculate('%', requireNumber(value), by);
  return rest === 0n || rest === 0;
}

const tests: ReadonlyMap<string, Test> = new Map<string, Test>([
  ['defined', plain((value) => !(value instanceof Undefined))],
  ['undefined', plain((value) => value instanceof Undefined)],
  ['none', plain((value) => value === null)],
  ['boolean', plain((value) => typeof value === 'boolean')],
  ['true', plain((value) => value === true)],
  ['false', plain((value) => value === false)],
  ['integer', plain((value) => typeof value === 'bigint')],
  ['float', plain((value) => typeof value === 'number')],
  // A bool is a number to Python.
  ['number', plain((value) => numberOf(value) !== null)],
  ['string', plain((value) => typeof value === 'string')],
  ['mapping', plain((value) => value instanceof Dict)],
  // What has a length and takes a key; an undefined value claims both.
  ['sequence', plain((value, { budget }) => sizeOf(value, budget) !== null && !(value instanceof DictView))],
  ['iterable', plain(isIterable)],
  [
    'callable',
    plain((value) => value instanceof Callable || value instanceof Attributed || value instanceof Undefined),
  ],
  ['escaped', plain(() => false)],
  ['lower', plain((value, { budget }) => hasCase(budget.text(textOf(value, budget)), 'lower'))],
  ['upper', plain((value, { budget }) => hasCase(budget.text(textOf(value, budget)), 'upper'))],
  ['odd', plain(isOdd)],
  ['even', plain((value) => isDivisible(value, 2n))],
  ['filter', plain((value, { isFilter }) => typeof value === 'string' && isFilter(value))],
  ['test', plain((value) => typeof value === 'string' && tests.has(value))],
  ['divisibleby', against((value, other) => isDivisible(value, BigInt(requireNumber(other))))],
  ['sameas', against(isSame)],
  ['in', against((value, other, { budget }) => contains(other, value, budget))],
  ...aliases('==', 'eq', 'equalto'),
  ...aliases('!=', 'ne'),
  ...aliases('>', 'gt', 'greaterthan'),
  ...aliases('>=', 'ge'),
  ...aliases('<', 'lt', 'lessthan'),
  ...aliases('<=', 'le'),
]);

function aliases(operator: Comparison, ...names: readonly string[]): [string, Test][] {
  return [operator, ...names].map((name) => [name, relation(operator)]);
}

/** `value % 2 == 1`, which no fraction is. */
function isOdd(value: Value): boolean {
  const rest = calculate('%', requireNumber(value), 2n);
  return rest === 1n || rest === 1;
}

/** One and the same object; numbers and texts by value, as Python keeps the short ones once. */
function isSame(value: Value, other: Value): boolean {
  return value === other;
}

/** `value is name(args)`. @throws TemplateError for an unknown test, or one that does not take this */
export function applyTest(name: string, value: Value, args: Arguments, runtime: Runtime): boolean {
  const test = tests.get(name);
  if (test === undefined) throw new TemplateError(`no test named '${name.slice(0, 40)}'`);
  return test(value, args, runtime);
}
