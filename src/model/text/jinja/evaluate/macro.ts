import { TemplateError } from '../errors.ts';
import type { Signature } from '../syntax/tree.ts';
import { type Arguments, Dict, Tuple, Undefined, type Value } from '../values/values.ts';
import type { Evaluator } from './evaluator.ts';
import type { Scope } from './scope.ts';

/**
 * Puts a call's arguments into a macro's scope: parameters by place and name, defaults in order, and what is left as
 * `varargs`, `kwargs` and `caller` if the body reads them.
 * @throws TemplateError for arguments that the macro does not take
 */
export function bindMacro(
  name: string,
  { parameters, reads }: Signature,
  { positional, named }: Arguments,
  scope: Scope,
  evaluator: Evaluator,
): void {
  const rest = new Map(named);
  const given = parameters.map((parameter, at) => {
    if (at < positional.length) return positional[at];
    const value = rest.get(parameter.name);
    rest.delete(parameter.name);
    return value;
  });
  if (reads.has('caller')) {
    scope.set('caller', rest.get('caller') ?? new Undefined('no caller defined'));
    rest.delete('caller');
  }
  bindRest(name, reads, positional.slice(parameters.length), rest, scope);
  // A default may name an earlier parameter; a later one is not there yet.
  for (const [at, parameter] of parameters.entries())
    scope.set(parameter.name, given[at] ?? notProvided(parameter.name));
  for (const [at, { name: own, initial }] of parameters.entries())
    if (given[at] === undefined && initial !== null) scope.set(own, evaluator.evaluate(initial, scope));
}

function bindRest(
  name: string,
  reads: Signature['reads'],
  extra: readonly Value[],
  rest: ReadonlyMap<string, Value>,
  scope: Scope,
): void {
  const [unknown] = rest.keys();
  if (reads.has('kwargs')) scope.set('kwargs', new Dict(rest));
  else if (unknown !== undefined) throw new TemplateError(`macro '${name}' takes no keyword argument '${unknown}'`);
  if (reads.has('varargs')) scope.set('varargs', new Tuple(extra));
  else if (extra.length > 0) throw new TemplateError(`macro '${name}' takes ${extra.length} arguments too many`);
}

function notProvided(name: string): Undefined {
  return new Undefined(`parameter '${name}' was not provided`);
}
