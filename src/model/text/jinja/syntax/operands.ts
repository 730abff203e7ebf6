import { TemplateError } from '../errors.ts';
import type { TokenStream } from './stream.ts';
import type { CallArguments, Expression, FilterExpression, SliceBounds } from './tree.ts';

const noArguments: CallArguments = { positional: [], named: [], spread: null, spreadNamed: null };

const constants: ReadonlyMap<string, boolean | null> = new Map([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
]);

/** Reads what operators stand between: values with their attributes, items, calls, filters and tests. */
export abstract class OperandParser {
  protected readonly stream: TokenStream;

  constructor(stream: TokenStream) {
    this.stream = stream;
  }

  abstract expression(): Expression;
  abstract tuple(): Expression;

  protected unary(withFilters: boolean): Expression {
    const sign = this.stream.isOperator('-') ? '-' : this.stream.isOperator('+') ? '+' : null;
    let result: Expression;
    if (sign === null) result = this.#primary();
    else {
      this.stream.take();
      result = { kind: 'sign', sign, of: this.stream.nested(() => this.unary(false)) };
    }
    result = this.#postfix(result);
    return withFilters ? this.#filtersAndTests(result) : result;
  }

  #primary(): Expression {
    const token = this.stream.take();
    switch (token.kind) {
      case 'name': {
        const constant = constants.get(token.value);
        return constant === undefined ? { kind: 'name', name: token.value } : { kind: 'constant', value: constant };
      }
      case 'string':
        return { kind: 'constant', value: token.value + this.#moreStrings() };
      case 'integer':
      case 'float':
        return { kind: 'constant', value: token.value };
      case 'operator':
        if (token.value === '(') return this.#parenthesised();
        if (token.value === '[') return { kind: 'list', items: this.#sequence(']', () => this.expression()) };
        if (token.value === '{') return { kind: 'dict', pairs: this.#sequence('}', () => this.#pair()) };
    }
    throw new TemplateError(`unexpected '${token.value === '' ? token.kind : String(token.value)}'`);
  }

  /** Texts side by side are one. */
  #moreStrings(): string {
    let text = '';
    while (this.stream.current.kind === 'string') text += String(this.stream.take().value);
    return text;
  }

  #parenthesised(): Expression {
    const inner: Expression = this.stream.isOperator(')') ? { kind: 'tuple', items: [] } : this.tuple();
    this.stream.expectOperator(')');
    return inner;
  }

  #sequence<T>(close: string, item: () => T): T[] {
    const items: T[] = [];
    while (!this.stream.isOperator(close)) {
      if (items.length > 0) this.stream.expectOperator(',');
      if (this.stream.isOperator(close)) break;
      items.push(item());
    }
    this.stream.expectOperator(close);
    return items;
  }

  #pair(): readonly [Expression, Expression] {
    const key = this.expression();
    this.stream.expectOperator(':');
    return [key, this.expression()];
  }

  #postfix(start: Expression): Expression {
    let result = start;
    for (;;) {
      if (this.stream.skip('operator', '.')) result = this.#attribute(result);
      else if (this.stream.skip('operator', '[')) result = this.#subscript(result);
      else if (this.stream.isOperator('(')) result = { kind: 'call', callee: result, args: this.#nestedArguments() };
      else return result;
    }
  }

  #attribute(of: Expression): Expression {
    const token = this.stream.take();
    if (token.kind === 'name') return { kind: 'attribute', of, name: token.value };
    if (token.kind === 'integer') return { kind: 'item', of, key: { kind: 'constant', value: token.value } };
    throw new TemplateError('expected a name or number behind a dot');
  }

  #subscript(of: Expression): Expression {
    const parts: (Expression | SliceBounds)[] = [];
    while (!this.stream.isOperator(']')) {
      if (parts.length > 0) this.stream.expectOperator(',');
      parts.push(this.#subscripted());
    }
    this.stream.expectOperator(']');
    const [first] = parts;
    if (first !== undefined && parts.length === 1)
      return 'kind' in first ? { kind: 'item', of, key: first } : { kind: 'slice', of, bounds: first };
    const items = parts.filter((part) => 'kind' in part);
    if (items.length < parts.length) throw new TemplateError('a slice inside a tuple is not supported');
    return { kind: 'item', of, key: { kind: 'tuple', items } };
  }

  #subscripted(): Expression | SliceBounds {
    const start = this.stream.isOperator(':') ? null : this.expression();
    if (start !== null && !this.stream.isOperator(':')) return start;
    this.stream.expectOperator(':');
    const stop = this.#bound();
    const step = this.stream.skip('operator', ':') ? this.#bound() : null;
    return { start, stop, step };
  }

  #bound(): Expression | null {
    const isMissing = this.stream.isOperator(':') || this.stream.isOperator(']') || this.stream.isOperator(',');
    return isMissing ? null : this.expression();
  }

  #filtersAndTests(start: Expression): Expression {
    let result = start;
    for (;;) {
      if (this.stream.isOperator('|')) result = this.#filters(result);
      else if (this.stream.skip('name', 'is')) result = this.#test(result);
      else if (this.stream.isOperator('(')) result = { kind: 'call', callee: result, args: this.#nestedArguments() };
      else return result;
    }
  }

  #filters(of: Expression): Expression {
    let result = of;
    while (this.stream.skip('operator', '|')) result = this.#filter(result);
    return result;
  }

  /** A chain of filters for a block's text, or null if there is none; `isStarted` expects a name at once. */
  blockFilters(isStarted: boolean): FilterExpression | null {
    let result: FilterExpression | null = isStarted ? this.#filter(null) : null;
    while (this.stream.skip('operator', '|')) result = this.#filter(result);
    return result;
  }

  #filter(of: Expression | null): FilterExpression {
    return { kind: 'filter', of, name: this.#dottedName(), args: this.#optionalArguments() };
  }

  #dottedName(): string {
    let name = this.stream.expectName();
    while (this.stream.skip('operator', '.')) name += `.${this.stream.expectName()}`;
    return name;
  }

  #optionalArguments(): CallArguments {
    return this.stream.isOperator('(') ? this.#nestedArguments() : noArguments;
  }

  #test(of: Expression): Expression {
    const isNegated = this.stream.skip('name', 'not');
    const name = this.#dottedName();
    const test: Expression = { kind: 'test', of, name, args: this.#testArguments() };
    return isNegated ? { kind: 'not', of: test } : test;
  }

  /** In parentheses, or one value without: `x is divisibleby 3`. */
  #testArguments(): CallArguments {
    const { current } = this.stream;
    if (this.stream.isOperator('(')) return this.#nestedArguments();
    const isValue =
      (['name', 'string', 'integer', 'float'].includes(current.kind) ||
        this.stream.isOperator('[') ||
        this.stream.isOperator('{')) &&
      !this.stream.isName('else', 'or', 'and');
    if (!isValue) return noArguments;
    if (this.stream.isName('is')) throw new TemplateError('tests cannot be chained with is');
    return { ...noArguments, positional: [this.#postfix(this.#primary())] };
  }

  #nestedArguments(): CallArguments {
    return this.stream.nested(() => this.#callArguments());
  }

  #callArguments(): CallArguments {
    const positional: Expression[] = [];
    const named: [string, Expression][] = [];
    let spread: Expression | null = null;
    let spreadNamed: Expression | null = null;
    const refuse = (wrong: boolean): void => {
      if (wrong) throw new TemplateError('invalid syntax for function call expression');
    };
    this.stream.expectOperator('(');
    while (!this.stream.isOperator(')')) {
      if (positional.length + named.length > 0 || spread !== null || spreadNamed !== null) {
        this.stream.expectOperator(',');
        if (this.stream.isOperator(')')) break;
      }
      const { current, next } = this.stream;
      if (this.stream.skip('operator', '*')) {
        refuse(spread !== null || spreadNamed !== null);
        spread = this.expression();
      } else if (this.stream.skip('operator', '**')) {
        refuse(spreadNamed !== null);
        spreadNamed = this.expression();
      } else if (current.kind === 'name' && next.kind === 'operator' && next.value === '=') {
        refuse(spreadNamed !== null);
        this.stream.take();
        this.stream.take();
        named.push([current.value, this.expression()]);
      } else {
        refuse(spread !== null || spreadNamed !== null || named.length > 0);
        positional.push(this.expression());
      }
    }
    this.stream.expectOperator(')');
    return { positional, named, spread, spreadNamed };
  }
}
