import { TemplateError } from '../errors.ts';
import { integerOf } from '../values/numbers.ts';
import { textOf } from '../values/repr.ts';
import { type Arguments, Attributed, Callable, Dict, Namespace, Range, type Value } from '../values/values.ts';
import { bind } from './arguments.ts';
import { entriesOf } from './container-methods.ts';
import type { Runtime } from './runtime.ts';

/** What every template can name: Jinja2's globals without the random text, and `raise_exception`. */
export function globalsFor(runtime: Runtime): Map<string, Value> {
  return new Map<string, Value>([
    ['range', new Callable(rangeOf)],
    ['dict', new Callable((args) => new Dict(entriesFor('dict', args, runtime)))],
    ['namespace', new Callable((args) => new Namespace(new Map(namesFor(args, runtime))))],
    ['cycler', new Callable((args) => new Cycler(args.positional))],
    ['joiner', new Callable((args) => joiner(bind('joiner', args, 'sep')[0] ?? ', '))],
    [
      'raise_exception',
      new Callable((args) => {
        const [message = 'it gave no reason'] = bind('raise_exception', args, 'message');
        throw new TemplateError(textOf(message, runtime.budget));
      }),
    ],
  ]);
}

function rangeOf({ positional, named }: Arguments): Range {
  if (named.size > 0 || positional.length === 0 || positional.length > 3)
    throw new TemplateError('range() takes one to three numbers');
  const [first = 0n, second = null, third = 1n] = positional.map(integerOf);
  const step = integerOf(third);
  if (step === 0n) throw new TemplateError('range() arg 3 must not be zero');
  return second === null ? new Range(0n, first, 1n) : new Range(first, second, step);
}

function entriesFor(what: string, { positional, named }: Arguments, runtime: Runtime): (readonly [Value, Value])[] {
  const [source, ...more] = positional;
  if (more.length > 0) throw new TemplateError(`${what} expected at most 1 argument, got ${positional.length}`);
  return [...(source === undefined ? [] : entriesOf(source, runtime)), ...named];
}

function namesFor(args: Arguments, runtime: Runtime): [string, Value][] {
  return entriesFor('namespace', args, runtime).map(([name, value]) => {
    if (typeof name !== 'string') throw new TemplateError('names in a namespace are texts');
    return [name, value];
  });
}

class Cycler extends Attributed {
  readonly #items: readonly Value[];
  #at = 0;

  constructor(items: readonly Value[]) {
    super();
    if (items.length === 0) throw new TemplateError('at least one item has to be provided');
    this.#items = items;
  }

  attribute(name: string): Value | undefined {
    const current = this.#items[this.#at] ?? null;
    switch (name) {
      case 'current':
        return current;
      case 'next':
        return new Callable(() => {
          const item = this.#items[this.#at] ?? null;
          this.#at = (this.#at + 1) % this.#items.length;
          return item;
        });
      case 'reset':
        return new Callable(() => {
          this.#at = 0;
          return null;
        });
    }
    return undefined;
  }
}

function joiner(separator: Value): Callable {
  let isUsed = false;
  return new Callable(() => {
    const before = isUsed ? separator : '';
    isUsed = true;
    return before;
  });
}
