import { TemplateError } from '../errors.ts';
import type { Body, ForStatement, Signature, Statement, Target } from '../syntax/tree.ts';
import { isTrue, iterate } from '../values/iterate.ts';
import { textOf } from '../values/repr.ts';
import { Callable, Lazy, Namespace, type Value } from '../values/values.ts';
import { Evaluator } from './evaluator.ts';
import { LoopContext } from './loop.ts';
import { bindMacro } from './macro.ts';
import { Scope } from './scope.ts';

/** How a body ended. */
type Ending = 'end' | 'break' | 'continue';

/** Runs statements; what they write goes to the innermost text. */
export class Renderer {
  readonly evaluator = new Evaluator();
  #parts: string[] = [];

  /** @throws TemplateError if the template fails, BoundsError if it goes beyond its bounds */
  render(body: Body, scope: Scope): string {
    return this.#capture(() => void this.#run(body, scope));
  }

  /** The text that `work` writes. */
  #capture(work: () => void): string {
    const outer = this.#parts;
    this.#parts = [];
    try {
      work();
      return this.evaluator.budget.join(this.#parts, '');
    } finally {
      this.#parts = outer;
    }
  }

  #write(text: string): void {
    this.evaluator.budget.spendText(text.length);
    this.#parts.push(text);
  }

  #run(body: Body, scope: Scope): Ending {
    for (const statement of body) {
      this.evaluator.budget.spend(1);
      const ending = this.evaluator.budget.deeper(() => this.#statement(statement, scope));
      if (ending !== 'end') return ending;
    }
    return 'end';
  }

  #statement(statement: Statement, scope: Scope): Ending {
    const { evaluator } = this;
    switch (statement.kind) {
      case 'text':
        this.#write(statement.text);
        return 'end';
      case 'output':
        for (const expression of statement.expressions)
          this.#write(textOf(evaluator.evaluate(expression, scope), evaluator.budget));
        return 'end';
      case 'if':
        return this.#if(statement, scope);
      case 'for':
        return this.#for(statement, scope);
      case 'set':
        this.#assign(statement.target, evaluator.evaluate(statement.value, scope), scope);
        return 'end';
      case 'set-block': {
        const text = this.render(statement.body, new Scope(scope));
        const value = statement.filter === null ? text : this.#filtered(statement.filter, text, scope);
        this.#assign(statement.target, value, scope);
        return 'end';
      }
      case 'macro':
        scope.set(statement.name, this.#macro(statement.name, statement.signature, statement.body, scope));
        return 'end';
      case 'call-block':
        this.#call(statement, scope);
        return 'end';
      case 'filter-block':
        this.#write(
          textOf(
            this.#filtered(statement.filter, this.render(statement.body, new Scope(scope)), scope),
            evaluator.budget,
          ),
        );
        return 'end';
      case 'with':
        return this.#with(statement, scope);
      case 'scope':
        return this.#run(statement.body, new Scope(scope));
      case 'do':
        evaluator.evaluate(statement.expression, scope);
        return 'end';
      default:
        return statement.kind;
    }
  }

  #if({ branches, otherwise }: Extract<Statement, { kind: 'if' }>, scope: Scope): Ending {
    for (const [test, body] of branches)
      if (isTrue(this.evaluator.evaluate(test, scope))) return this.#run(body, scope);
    return this.#run(otherwise, scope);
  }

  #for(statement: ForStatement, scope: Scope): Ending {
    this.#loop(statement, this.evaluator.evaluate(statement.items, scope), scope, 0);
    return 'end';
  }

  #loop(statement: ForStatement, items: Value, scope: Scope, depth0: number): void {
    const { budget } = this.evaluator;
    const over = statement.test === null ? items : new Lazy(this.#selected(statement, items, scope));
    const recurse = statement.isRecursive
      ? (inner: Value, depth: number): string => this.#capture(() => this.#loop(statement, inner, scope, depth))
      : null;
    const loop = new LoopContext({ over, items: iterate(over, budget), depth0, recurse, budget });
    // A body that was left early does not count, as in Jinja2.
    let isEmpty = true;
    for (let item = loop.next(); item !== undefined; item = loop.next()) {
      const inner = new Scope(scope, new Map([['loop', loop as Value]]));
      this.#assign(statement.target, item, inner);
      const ending = this.#run(statement.body, inner);
      if (ending === 'break') break;
      if (ending === 'end') isEmpty = false;
    }
    if (isEmpty) this.#run(statement.otherwise, new Scope(scope));
  }

  *#selected({ target, test }: ForStatement, items: Value, scope: Scope): Generator<Value> {
    for (const item of iterate(items, this.evaluator.budget)) {
      const inner = new Scope(scope);
      this.#assign(target, item, inner);
      if (test === null || isTrue(this.evaluator.evaluate(test, inner))) yield item;
    }
  }

  #with({ bindings, body }: Extract<Statement, { kind: 'with' }>, scope: Scope): Ending {
    const inner = new Scope(scope);
    // All values are of the outside: a name does not see the one before it.
    const values = bindings.map(([, value]) => this.evaluator.evaluate(value, scope));
    for (const [at, [target]] of bindings.entries()) this.#assign(target, values[at] ?? null, inner);
    return this.#run(body, inner);
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    if (target.kind === 'name') scope.set(target.name, value);
    else if (target.kind === 'names') this.#unpack(target.targets, value, scope);
    else {
      const namespace = scope.get(target.name);
      if (!(namespace instanceof Namespace)) throw new TemplateError('cannot assign attribute on non-namespace object');
      namespace.attributes.set(target.attribute, value);
    }
  }

  #unpack(targets: readonly Target[], value: Value, scope: Scope): void {
    const items: Value[] = [];
    for (const item of iterate(value, this.evaluator.budget)) {
      items.push(item);
      if (items.length > targets.length) break;
    }
    if (items.length !== targets.length)
      throw new TemplateError(
        `${items.length > targets.length ? 'too many' : 'not enough'} values to unpack (expected ${targets.length})`,
      );
    for (const [at, target] of targets.entries()) this.#assign(target, items[at] ?? null, scope);
  }

  #macro(name: string, signature: Signature, body: Body, scope: Scope): Callable {
    return new Callable((args) => {
      const inner = new Scope(scope);
      bindMacro(name, signature, args, inner, this.evaluator);
      return this.render(body, inner);
    }, `<Macro '${name}'>`);
  }

  #call({ callee, args, signature, body }: Extract<Statement, { kind: 'call-block' }>, scope: Scope): void {
    const caller = this.#macro('caller', signature, body, scope);
    const called = this.evaluator.evaluate(callee, scope);
    const { positional, named } = this.evaluator.arguments(args, scope);
    const result = this.evaluator.call(called, { positional, named: new Map([...named, ['caller', caller]]) });
    this.#write(textOf(result, this.evaluator.budget));
  }

  #filtered(filter: Parameters<Evaluator['filter']>[0], text: string, scope: Scope): Value {
    const value = filter.of === null || filter.of.kind !== 'filter' ? text : this.#filtered(filter.of, text, scope);
    return this.evaluator.filter(filter, value, scope);
  }
}
