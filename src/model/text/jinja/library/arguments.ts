import { TemplateError } from '../errors.ts';
import type { Arguments, Value } from '../values/values.ts';

/**
 * The arguments of a call by their names, in order; undefined for one that was not given.
 *
 * ```ts
 * const [chars] = bind('trim', args, 'chars');
 * ```
 * @throws TemplateError for one too many, given twice, or of another name
 */
export function bind(
  what: string,
  { positional, named }: Arguments,
  ...names: readonly string[]
): (Value | undefined)[] {
  if (positional.length > names.length)
    throw new TemplateError(`${what}() takes at most ${names.length} arguments (${positional.length} given)`);
  for (const name of named.keys()) {
    const at = names.indexOf(name);
    if (at < 0) throw new TemplateError(`${what}() got an unexpected keyword argument '${name}'`);
    if (at < positional.length) throw new TemplateError(`${what}() got multiple values for argument '${name}'`);
  }
  // A given None is null, so `??` would take it for missing.
  return names.map((name, at) => (at < positional.length ? positional[at] : named.get(name)));
}

/** An argument that must be given. */
export function required(what: string, name: string, value: Value | undefined): Value {
  if (value === undefined) throw new TemplateError(`${what}() missing argument '${name}'`);
  return value;
}
