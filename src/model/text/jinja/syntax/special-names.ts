import type { Body, CallArguments, Expression, Signature, Statement, Target } from './tree.ts';

type SpecialName = 'caller' | 'varargs' | 'kwargs';

/**
 * Which of a macro's special names a body reads before it declares them itself: a macro takes extra arguments, or a
 * call block, only if it reads them. The order of the visit is Jinja2's: what a statement assigns comes first.
 */
export function specialNamesIn(body: Body): Set<SpecialName> {
  const finder = new Finder();
  finder.body(body);
  return finder.found;
}

class Finder {
  readonly found = new Set<SpecialName>();
  readonly #declared = new Set<string>();

  body(body: Body): void {
    for (const statement of body) this.#statement(statement);
  }

  #statement(statement: Statement): void {
    switch (statement.kind) {
      case 'output':
        return this.#all(statement.expressions);
      case 'if':
        for (const [test, body] of statement.branches) {
          this.#expression(test);
          this.body(body);
        }
        return this.body(statement.otherwise);
      case 'for':
        this.#target(statement.target);
        this.#expression(statement.items);
        this.body(statement.body);
        this.body(statement.otherwise);
        return this.#maybe(statement.test);
      case 'set':
        this.#target(statement.target);
        return this.#expression(statement.value);
      case 'set-block':
        this.#target(statement.target);
        this.#maybe(statement.filter);
        return this.body(statement.body);
      case 'macro':
        this.#signature(statement.signature);
        return this.body(statement.body);
      case 'call-block':
        this.#expression(statement.callee);
        this.#arguments(statement.args);
        this.#signature(statement.signature);
        return this.body(statement.body);
      case 'filter-block':
        this.body(statement.body);
        return this.#expression(statement.filter);
      case 'with':
        for (const [target] of statement.bindings) this.#target(target);
        for (const [, value] of statement.bindings) this.#expression(value);
        return this.body(statement.body);
      case 'scope':
        return this.body(statement.body);
      case 'do':
        return this.#expression(statement.expression);
    }
  }

  #signature({ parameters }: Signature): void {
    for (const { name } of parameters) this.#declared.add(name);
    for (const { initial } of parameters) this.#maybe(initial);
  }

  #target(target: Target): void {
    if (target.kind === 'name') this.#declared.add(target.name);
    else if (target.kind === 'names') for (const part of target.targets) this.#target(part);
  }

  #maybe(expression: Expression | null): void {
    if (expression !== null) this.#expression(expression);
  }

  #all(expressions: readonly Expression[]): void {
    for (const expression of expressions) this.#expression(expression);
  }

  #arguments({ positional, named, spread, spreadNamed }: CallArguments): void {
    this.#all(positional);
    for (const [, value] of named) this.#expression(value);
    this.#maybe(spread);
    this.#maybe(spreadNamed);
  }

  #expression(expression: Expression): void {
    switch (expression.kind) {
      case 'constant':
        return;
      case 'name':
        if (!this.#declared.has(expression.name) && isSpecial(expression.name)) this.found.add(expression.name);
        return;
      case 'list':
      case 'tuple':
        return this.#all(expression.items);
      case 'dict':
        return this.#all(expression.pairs.flat());
      case 'attribute':
      case 'not':
      case 'sign':
        return this.#expression(expression.of);
      case 'item':
        return this.#all([expression.of, expression.key]);
      case 'slice':
        this.#expression(expression.of);
        for (const bound of Object.values(expression.bounds) as (Expression | null)[]) this.#maybe(bound);
        return;
      case 'call':
        this.#expression(expression.callee);
        return this.#arguments(expression.args);
      case 'filter':
      case 'test':
        this.#maybe(expression.of);
        return this.#arguments(expression.args);
      case 'and':
      case 'or':
      case 'arithmetic':
        return this.#all([expression.left, expression.right]);
      case 'joined':
        return this.#all(expression.parts);
      case 'comparison':
        return this.#all([expression.first, ...expression.rest.map(([, operand]) => operand)]);
      case 'choice':
        this.#all([expression.test, expression.value]);
        return this.#maybe(expression.otherwise);
    }
  }
}

function isSpecial(name: string): name is SpecialName {
  return name === 'caller' || name === 'varargs' || name === 'kwargs';
}
