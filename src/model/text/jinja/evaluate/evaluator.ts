import { TemplateError } from '../errors.ts';
import { applyFilter, isFilter } from '../library/filters.ts';
import type { Runtime } from '../library/runtime.ts';
import { applyTest } from '../library/tests.ts';
import type { CallArguments, Expression, FilterExpression } from '../syntax/tree.ts';
import { isTrue, iterate } from '../values/iterate.ts';
import { nameOfType, textOf } from '../values/repr.ts';
import { type Arguments, Attributed, Callable, Dict, Markup, Tuple, Undefined, type Value } from '../values/values.ts';
import { attributeOf, itemOf } from './access.ts';
import { Budget } from './budget.ts';
import { combine, isRelated, signed, slice } from './operators.ts';
import type { Scope } from './scope.ts';

/** Filters that know marked texts. */
const marking: ReadonlySet<string> = new Set(['safe', 'e', 'escape']);

/** Computes expressions. */
export class Evaluator implements Runtime {
  readonly budget = new Budget();
  readonly isFilter = isFilter;

  evaluate(expression: Expression, scope: Scope): Value {
    this.budget.spend(1);
    return this.budget.deeper(() => this.#evaluate(expression, scope));
  }

  /** The value with its mark taken off, for everything but `+` and the filters that know marks. */
  #plain(expression: Expression, scope: Scope): Value {
    return unmarked(this.evaluate(expression, scope));
  }

  #evaluate(expression: Expression, scope: Scope): Value {
    switch (expression.kind) {
      case 'constant':
        return expression.value;
      case 'name':
        return scope.get(expression.name);
      case 'list':
        return this.#all(expression.items, scope);
      case 'tuple':
        return new Tuple(this.#all(expression.items, scope));
      case 'dict':
        return this.#dict(expression.pairs, scope);
      case 'attribute':
        return attributeOf(this.#plain(expression.of, scope), expression.name, this);
      case 'item':
        return itemOf(this.#plain(expression.of, scope), this.#plain(expression.key, scope), this);
      case 'slice':
        return this.#slice(expression, scope);
      case 'call':
        return this.call(this.evaluate(expression.callee, scope), this.arguments(expression.args, scope));
      case 'filter':
        if (expression.of === null) throw new TemplateError('a filter without a value');
        return this.filter(expression, this.evaluate(expression.of, scope), scope);
      case 'test':
        return applyTest(
          expression.name,
          this.#plain(expression.of, scope),
          this.arguments(expression.args, scope),
          this,
        );
      case 'not':
        return !isTrue(this.#plain(expression.of, scope));
      case 'sign':
        return signed(expression.sign, this.#plain(expression.of, scope));
      case 'and':
      case 'or':
        return this.#logic(expression, scope);
      case 'arithmetic':
        return combine(
          expression.operator,
          this.evaluate(expression.left, scope),
          this.evaluate(expression.right, scope),
          this.budget,
        );
      case 'joined':
        return this.budget.join(
          expression.parts.map((part) => textOf(this.#plain(part, scope), this.budget)),
          '',
        );
      case 'comparison':
        return this.#comparison(expression, scope);
      case 'choice':
        return this.#choice(expression, scope);
    }
  }

  #dict(pairs: Extract<Expression, { kind: 'dict' }>['pairs'], scope: Scope): Dict {
    const dict = new Dict();
    for (const [key, value] of pairs) {
      const name = this.#plain(key, scope);
      this.budget.spendKey(name);
      dict.set(name, this.#plain(value, scope));
    }
    return dict;
  }

  #all(expressions: readonly Expression[], scope: Scope): Value[] {
    return expressions.map((item) => this.#plain(item, scope));
  }

  #slice({ of, bounds }: Extract<Expression, { kind: 'slice' }>, scope: Scope): Value {
    const value = this.#plain(of, scope);
    const bound = (part: Expression | null): Value => (part === null ? null : this.#plain(part, scope));
    return slice(
      value,
      { start: bound(bounds.start), stop: bound(bounds.stop), step: bound(bounds.step) },
      this.budget,
    );
  }

  #logic({ kind, left, right }: Extract<Expression, { kind: 'and' | 'or' }>, scope: Scope): Value {
    const first = this.evaluate(left, scope);
    return isTrue(first) === (kind === 'or') ? first : this.evaluate(right, scope);
  }

  /** `a < b < c` is `a < b and b < c`. */
  #comparison({ first, rest }: Extract<Expression, { kind: 'comparison' }>, scope: Scope): boolean {
    let left = this.#plain(first, scope);
    for (const [operator, operand] of rest) {
      const right = this.#plain(operand, scope);
      if (!isRelated(operator, left, right, this.budget)) return false;
      left = right;
    }
    return true;
  }

  #choice({ test, value, otherwise }: Extract<Expression, { kind: 'choice' }>, scope: Scope): Value {
    if (isTrue(this.evaluate(test, scope))) return this.evaluate(value, scope);
    if (otherwise !== null) return this.evaluate(otherwise, scope);
    return new Undefined('the inline if-expression evaluated to false and has no else');
  }

  filter({ name, args }: FilterExpression, value: Value, scope: Scope): Value {
    const subject = marking.has(name) ? value : unmarked(value);
    return applyFilter(name, subject, this.arguments(args, scope), this);
  }

  arguments({ positional, named, spread, spreadNamed }: CallArguments, scope: Scope): Arguments {
    const values = this.#all(positional, scope);
    const names = new Map<string, Value>();
    const name = (key: string, value: Value): void => {
      if (names.has(key)) throw new TemplateError(`got multiple values for keyword argument '${key}'`);
      names.set(key, value);
    };
    if (spread !== null) for (const item of iterate(this.evaluate(spread, scope), this.budget)) values.push(item);
    for (const [key, value] of named) name(key, this.#plain(value, scope));
    if (spreadNamed !== null) this.#spreadNamed(this.evaluate(spreadNamed, scope), name);
    this.budget.spendItems(values.length);
    return { positional: values, named: names };
  }

  #spreadNamed(value: Value, name: (key: string, value: Value) => void): void {
    if (!(value instanceof Dict)) throw new TemplateError('the argument behind ** must be a mapping');
    for (const [key, item] of value.entries()) {
      if (typeof key !== 'string') throw new TemplateError('keywords must be strings');
      this.budget.spendKey(key);
      name(key, item);
    }
  }

  call(callee: Value, args: Arguments): Value {
    if (callee instanceof Callable || callee instanceof Attributed) return this.budget.deeper(() => callee.call(args));
    throw new TemplateError(
      callee instanceof Undefined ? callee.reason : `'${nameOfType(callee)}' object is not callable`,
    );
  }

  attribute(value: Value, name: string): Value {
    return attributeOf(value, name, this);
  }

  item(value: Value, key: Value): Value {
    return itemOf(value, key, this);
  }
}

function unmarked(value: Value): Value {
  return value instanceof Markup ? value.text : value;
}
