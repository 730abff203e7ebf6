import { maxSourceDepth } from '../constants.ts';
import { BoundsError, TemplateError } from '../errors.ts';
import type { Token } from './tokens.ts';

const end: Token = { kind: 'end', value: '' };

/** The tokens, read forward. */
export class TokenStream {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  get current(): Token {
    return this.#tokens[this.#at] ?? end;
  }

  get next(): Token {
    return this.#tokens[this.#at + 1] ?? end;
  }

  take(): Token {
    const token = this.current;
    this.#at++;
    return token;
  }

  isOperator(value: string): boolean {
    return this.current.kind === 'operator' && this.current.value === value;
  }

  isName(...names: readonly string[]): boolean {
    return this.current.kind === 'name' && names.includes(this.current.value);
  }

  /** Takes the operator or name if it is the next token. */
  skip(kind: 'operator' | 'name', value: string): boolean {
    if (this.current.kind !== kind || this.current.value !== value) return false;
    this.#at++;
    return true;
  }

  expectOperator(value: string): void {
    if (!this.skip('operator', value)) throw this.unexpected(`'${value}'`);
  }

  expectKeyword(value: string): void {
    if (!this.skip('name', value)) throw this.unexpected(`'${value}'`);
  }

  expect(kind: Token['kind']): void {
    if (this.current.kind !== kind) throw this.unexpected(kind);
    this.#at++;
  }

  expectName(): string {
    const { current } = this;
    if (current.kind !== 'name') throw this.unexpected('a name');
    this.#at++;
    return current.value;
  }

  unexpected(wanted: string): TemplateError {
    const { current } = this;
    const shown = current.value === '' ? current.kind : String(current.value).slice(0, 40);
    return new TemplateError(`expected ${wanted}, got '${shown}'`);
  }

  /** Reads what nests one level deeper. @throws BoundsError if that goes on without end */
  nested<T>(read: () => T): T {
    if (this.#depth >= maxSourceDepth) throw new BoundsError('its source nests too deeply');
    this.#depth++;
    try {
      return read();
    } finally {
      this.#depth--;
    }
  }
}
