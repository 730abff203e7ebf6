import * as library from '@huggingface/jinja';

/** A value at run time; text, number, boolean, null, a list, or a map in `value`. */
export interface JinjaValue {
  readonly value: unknown;
}

export interface JinjaEnvironment {
  readonly variables: Map<string, JinjaValue>;
  /** Declares a variable. @throws SyntaxError where it is declared already */
  set(name: string, value: unknown): JinjaValue;
}

export interface JinjaInterpreter {
  run(program: object): JinjaValue;
  /** Called for every node of a template, also by the interpreter itself. */
  evaluate(node: object | undefined, environment: JinjaEnvironment): JinjaValue;
}

interface Jinja {
  readonly Environment: new () => JinjaEnvironment;
  readonly Interpreter: new (environment: JinjaEnvironment) => JinjaInterpreter;
  tokenize(
    source: string,
    options: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean },
  ): readonly object[];
  parse(tokens: readonly object[]): object;
}

// The library's own declarations import without extensions, which this module resolution does not follow.
export const { Environment, Interpreter, tokenize, parse } = library as unknown as Jinja;
