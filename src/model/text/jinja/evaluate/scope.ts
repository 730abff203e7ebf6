import { Undefined, type Value } from '../values/values.ts';

/** Names as the template sees them at one place; a name that is set goes to the innermost scope. */
export class Scope {
  readonly #parent: Scope | null;
  readonly #names: Map<string, Value>;

  constructor(parent: Scope | null, names = new Map<string, Value>()) {
    this.#parent = parent;
    this.#names = names;
  }

  get(name: string): Value {
    for (let scope: Scope | null = this; scope !== null; scope = scope.#parent) {
      const value = scope.#names.get(name);
      if (value !== undefined) return value;
    }
    return new Undefined(`'${name}' is undefined`);
  }

  set(name: string, value: Value): void {
    this.#names.set(name, value);
  }
}
