import { OperandParser } from './operands.ts';
import type { ArithmeticOperator, ComparisonOperator, Expression } from './tree.ts';

/** Reads expressions by Jinja2's precedence: choice, or, and, not, comparison, + -, ~, * / // %, **, sign. */
export class ExpressionParser extends OperandParser {
  expression(withChoice = true): Expression {
    return this.stream.nested(() => (withChoice ? this.#choice() : this.#or()));
  }

  /** Several expressions with commas between are a tuple. `ends` are names behind which none begins. */
  tuple(withChoice = true, ends: readonly string[] = []): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    while (!this.#isTupleEnd(ends)) {
      items.push(this.expression(withChoice));
      if (!this.stream.skip('operator', ',')) break;
      isTuple = true;
    }
    const [first] = items;
    if (first === undefined) throw this.stream.unexpected('an expression');
    return isTuple ? { kind: 'tuple', items } : first;
  }

  #isTupleEnd(ends: readonly string[]): boolean {
    const { kind } = this.stream.current;
    return (
      kind === 'close-block' || kind === 'close-output' || this.stream.isOperator(')') || this.stream.isName(...ends)
    );
  }

  #choice(): Expression {
    let result = this.#or();
    while (this.stream.skip('name', 'if')) {
      const test = this.#or();
      const otherwise = this.stream.skip('name', 'else') ? this.stream.nested(() => this.#choice()) : null;
      result = { kind: 'choice', test, value: result, otherwise };
    }
    return result;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.stream.skip('name', 'or')) left = { kind: 'or', left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.stream.skip('name', 'and')) left = { kind: 'and', left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    if (!this.stream.skip('name', 'not')) return this.#comparison();
    return { kind: 'not', of: this.stream.nested(() => this.#not()) };
  }

  #comparison(): Expression {
    const first = this.#sum();
    const rest: [ComparisonOperator, Expression][] = [];
    for (let operator = this.#comparisonOperator(); operator !== null; operator = this.#comparisonOperator())
      rest.push([operator, this.#sum()]);
    return rest.length === 0 ? first : { kind: 'comparison', first, rest };
  }

  #comparisonOperator(): ComparisonOperator | null {
    for (const operator of ['==', '!=', '<=', '>=', '<', '>'] as const)
      if (this.stream.skip('operator', operator)) return operator;
    if (this.stream.skip('name', 'in')) return 'in';
    const { next } = this.stream;
    if (!this.stream.isName('not') || next.kind !== 'name' || next.value !== 'in') return null;
    this.stream.take();
    this.stream.take();
    return 'not in';
  }

  #sum(): Expression {
    return this.#leftToRight(['+', '-'], () => this.#joined());
  }

  #joined(): Expression {
    const first = this.#product();
    const parts = [first];
    while (this.stream.skip('operator', '~')) parts.push(this.#product());
    return parts.length === 1 ? first : { kind: 'joined', parts };
  }

  #product(): Expression {
    return this.#leftToRight(['*', '/', '//', '%'], () => this.#leftToRight(['**'], () => this.unary(true)));
  }

  #leftToRight(operators: readonly ArithmeticOperator[], operand: () => Expression): Expression {
    let left = operand();
    for (;;) {
      const operator = operators.find((one) => this.stream.skip('operator', one));
      if (operator === undefined) return left;
      left = { kind: 'arithmetic', operator, left, right: operand() };
    }
  }
}
