import { TemplateError } from '../errors.ts';
import { ExpressionParser } from './expressions.ts';
import { specialNamesIn } from './special-names.ts';
import { TokenStream } from './stream.ts';
import { tokenise } from './tokens.ts';
import type { Body, ForStatement, Parameter, Signature, Statement, Target } from './tree.ts';

/**
 * Reads a template: Jinja2's own statements but for those that need other files (`include`, `extends`, `block`), the
 * extensions `do` and loop controls, and `generation`, with which chat templates mark what the model writes.
 * @throws TemplateError if the source is broken, BoundsError if it is beyond all measure
 */
export function parseTemplate(source: string): Body {
  const stream = new TokenStream(tokenise(source));
  return new StatementParser(stream).body([]);
}

const reserved: ReadonlySet<string> = new Set(['true', 'True', 'false', 'False', 'none', 'None']);

class StatementParser {
  readonly #stream: TokenStream;
  readonly #expressions: ExpressionParser;

  constructor(stream: TokenStream) {
    this.#stream = stream;
    this.#expressions = new ExpressionParser(stream);
  }

  /**
   * Statements up to a block that begins with one of `ends`, whose name is the next token; to the end if there are
   * none.
   */
  body(ends: readonly string[]): Body {
    return this.#stream.nested(() => this.#body(ends));
  }

  #body(ends: readonly string[]): Body {
    const statements: Statement[] = [];
    for (;;) {
      const token = this.#stream.take();
      switch (token.kind) {
        case 'text':
          statements.push({ kind: 'text', text: token.value });
          break;
        case 'open-output':
          statements.push({ kind: 'output', expressions: [this.#expressions.tuple()] });
          this.#stream.expect('close-output');
          break;
        case 'open-block':
          if (this.#stream.isName(...ends)) return statements;
          statements.push(this.#statement(this.#stream.expectName()));
          this.#stream.expect('close-block');
          break;
        default:
          if (ends.length > 0) throw new TemplateError(`unexpected end of template, expected '${ends.join("' or '")}'`);
          return statements;
      }
    }
  }

  /** The body behind a block's head, and the keyword that ends it, which is taken. */
  #block(ends: readonly string[]): { readonly body: Body; readonly end: string } {
    // A colon is allowed there, as in Python.
    this.#stream.skip('operator', ':');
    this.#stream.expect('close-block');
    const body = this.body(ends);
    return { body, end: this.#stream.expectName() };
  }

  #statement(name: string): Statement {
    switch (name) {
      case 'if':
        return this.#if();
      case 'for':
        return this.#for();
      case 'set':
        return this.#set();
      case 'macro':
        return this.#macro();
      case 'call':
        return this.#call();
      case 'filter':
        return this.#filter();
      case 'with':
        return this.#with();
      case 'print':
        return this.#print();
      case 'do':
        return { kind: 'do', expression: this.#expressions.tuple() };
      case 'break':
      case 'continue':
        return { kind: name };
      case 'generation':
        return { kind: 'scope', body: this.#block(['endgeneration']).body };
      default:
        throw new TemplateError(`unknown tag '${name}'`);
    }
  }

  #if(): Statement {
    const branches: [ReturnType<ExpressionParser['tuple']>, Body][] = [];
    for (;;) {
      const test = this.#expressions.tuple(false);
      const { body, end } = this.#block(['elif', 'else', 'endif']);
      branches.push([test, body]);
      if (end === 'elif') continue;
      return { kind: 'if', branches, otherwise: end === 'else' ? this.#block(['endif']).body : [] };
    }
  }

  #for(): ForStatement {
    const target = this.#target(false, ['in']);
    this.#stream.expectKeyword('in');
    const items = this.#expressions.tuple(false, ['recursive']);
    const test = this.#stream.skip('name', 'if') ? this.#expressions.expression() : null;
    const isRecursive = this.#stream.skip('name', 'recursive');
    const { body, end } = this.#block(['endfor', 'else']);
    const otherwise = end === 'else' ? this.#block(['endfor']).body : [];
    return { kind: 'for', target, items, test, isRecursive, body, otherwise };
  }

  #set(): Statement {
    const target = this.#target(true, []);
    if (this.#stream.skip('operator', '=')) return { kind: 'set', target, value: this.#expressions.tuple() };
    const filter = this.#expressions.blockFilters(false);
    return { kind: 'set-block', target, filter, body: this.#block(['endset']).body };
  }

  #macro(): Statement {
    const name = this.#stream.expectName();
    const parameters = this.#parameters();
    const { body } = this.#block(['endmacro']);
    return { kind: 'macro', name, signature: signatureOf(parameters, body), body };
  }

  #call(): Statement {
    const parameters = this.#stream.isOperator('(') ? this.#parameters() : [];
    const call = this.#expressions.expression();
    if (call.kind !== 'call') throw new TemplateError('expected call');
    const { body } = this.#block(['endcall']);
    return { kind: 'call-block', callee: call.callee, args: call.args, signature: signatureOf(parameters, body), body };
  }

  #filter(): Statement {
    const filter = this.#expressions.blockFilters(true);
    if (filter === null) throw this.#stream.unexpected('a filter');
    return { kind: 'filter-block', filter, body: this.#block(['endfilter']).body };
  }

  #with(): Statement {
    const bindings: [Target, ReturnType<ExpressionParser['expression']>][] = [];
    while (this.#stream.current.kind !== 'close-block') {
      if (bindings.length > 0) this.#stream.expectOperator(',');
      const target = this.#target(false, []);
      this.#stream.expectOperator('=');
      bindings.push([target, this.#expressions.expression()]);
    }
    return { kind: 'with', bindings, body: this.#block(['endwith']).body };
  }

  #print(): Statement {
    const expressions: ReturnType<ExpressionParser['expression']>[] = [];
    while (this.#stream.current.kind !== 'close-block') {
      if (expressions.length > 0) this.#stream.expectOperator(',');
      expressions.push(this.#expressions.expression());
    }
    return { kind: 'output', expressions };
  }

  #parameters(): Parameter[] {
    const parameters: Parameter[] = [];
    this.#stream.expectOperator('(');
    while (!this.#stream.isOperator(')')) {
      if (parameters.length > 0) this.#stream.expectOperator(',');
      const name = this.#storedName();
      const initial = this.#stream.skip('operator', '=') ? this.#expressions.expression() : null;
      if (initial === null && parameters.at(-1)?.initial)
        throw new TemplateError('non-default argument follows default argument');
      parameters.push({ name, initial });
    }
    this.#stream.expectOperator(')');
    return parameters;
  }

  #storedName(): string {
    const name = this.#stream.expectName();
    if (reserved.has(name)) throw new TemplateError(`cannot assign to '${name}'`);
    return name;
  }

  /** What a value is assigned to; names with commas between take a list apart. */
  #target(withNamespace: boolean, ends: readonly string[]): Target {
    const targets: Target[] = [];
    let isTuple = false;
    while (!this.#isTargetEnd(ends)) {
      targets.push(this.#oneTarget(withNamespace));
      if (!this.#stream.skip('operator', ',')) break;
      isTuple = true;
    }
    const [first] = targets;
    if (first === undefined) throw this.#stream.unexpected('a name');
    return isTuple ? { kind: 'names', targets } : first;
  }

  #isTargetEnd(ends: readonly string[]): boolean {
    return this.#stream.isOperator(')') || this.#stream.isOperator('=') || this.#stream.isName(...ends);
  }

  #oneTarget(withNamespace: boolean): Target {
    if (this.#stream.skip('operator', '(')) {
      const inner = this.#stream.nested(() => this.#target(withNamespace, []));
      this.#stream.expectOperator(')');
      return inner;
    }
    const name = this.#storedName();
    if (!withNamespace || !this.#stream.skip('operator', '.')) return { kind: 'name', name };
    return { kind: 'namespace', name, attribute: this.#stream.expectName() };
  }
}

function signatureOf(parameters: readonly Parameter[], body: Body): Signature {
  const reads = specialNamesIn(body);
  const own = parameters.find(({ name }) => name === 'caller');
  if (reads.has('caller') && own?.initial === null)
    throw new TemplateError('the parameter "caller" must be left out or have a default');
  for (const { name } of parameters) reads.delete(name as 'caller');
  return { parameters, reads };
}
