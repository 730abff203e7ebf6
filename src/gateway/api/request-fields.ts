import { isDeepStrictEqual } from 'node:util';
import { badField, Problem, unsupported } from '../problem.ts';
import type { FieldRule } from './field-table.ts';

interface Refusal {
  /** Path in the request. */
  readonly field: string;
  /** The value that is refused, if others are not. */
  readonly value: string;
  readonly note: string;
}

interface Scope {
  /** Path of the object in the request, such as `messages[0].`. */
  readonly path: string;
  /** The same in the rules, such as `messages[].`. */
  readonly rulePath: string;
  readonly rules: readonly FieldRule[];
  /** Shared by all objects of one request. */
  readonly refusals: Refusal[];
  readonly adjusted: string[];
}

/** Longest value and field name that an error message repeats. */
const maxQuoted = 100;
/** Accepted values that need no mention in an error message. */
const emptyValues: ReadonlySet<string> = new Set(['""', '[]', '{}']);
/** Most refused fields that are collected: a request may hold 100,000 of them. */
const maxCollected = 100;
/** Most fields that one error message names. */
const maxNamed = 10;

/**
 * The fields of a JSON object in a request. The reader takes the fields that it honours; `done` applies the rules to
 * the rest, so that no field is ignored silently. Refused fields are collected, and `finish` names them all at once.
 * `null` counts as absent.
 */
export class RequestFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #scope: Scope;
  readonly #seen = new Set<string>();

  private constructor(value: unknown, scope: Scope) {
    const what = scope.path === '' ? 'the request' : scope.path.replace(/\.$/, '');
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw badField(scope.path.replace(/\.$/, ''), `${what}: expected a JSON object`);
    this.#fields = value as Readonly<Record<string, unknown>>;
    this.#scope = scope;
  }

  /** @throws Problem if `body` is not an object */
  static of(body: unknown, rules: readonly FieldRule[] = []): RequestFields {
    return new RequestFields(body, { path: '', rulePath: '', rules, refusals: [], adjusted: [] });
  }

  /** The field's path within the request. */
  pathOf(name: string): string {
    return `${this.#scope.path}${name}`;
  }

  raw(name: string): unknown {
    this.#seen.add(name);
    return Object.hasOwn(this.#fields, name) ? (this.#fields[name] ?? undefined) : undefined;
  }

  text(name: string): string | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw this.bad(name, 'text');
    if (!value.isWellFormed())
      throw badField(this.pathOf(name), `${this.pathOf(name)}: not Unicode (a lone surrogate)`);
    return value;
  }

  flag(name: string): boolean | undefined {
    const value = this.raw(name);
    if (value !== undefined && typeof value !== 'boolean') throw this.bad(name, 'true or false');
    return value;
  }

  number(name: string, min: number, max: number): number | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !(value >= min && value <= max))
      throw this.bad(name, `a number from ${min} to ${max}`);
    return value;
  }

  whole(name: string, min: number, max: number): number | undefined {
    const value = this.number(name, min, max);
    if (value !== undefined && !Number.isInteger(value)) throw this.bad(name, `a whole number from ${min} to ${max}`);
    return value;
  }

  oneOf<const Value extends string>(name: string, values: readonly Value[]): Value | undefined {
    const value = this.raw(name);
    const found = values.find((each) => each === value);
    if (value !== undefined && found === undefined) throw this.bad(name, values.join(', '));
    return found;
  }

  list(name: string): readonly unknown[] | undefined {
    const value = this.raw(name);
    if (value !== undefined && !Array.isArray(value)) throw this.bad(name, 'a list');
    return value as readonly unknown[] | undefined;
  }

  object(name: string): RequestFields | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    const { path, rulePath } = this.#scope;
    return new RequestFields(value, { ...this.#scope, path: `${path}${name}.`, rulePath: `${rulePath}${name}.` });
  }

  /** One item of the list `name`. */
  item(name: string, at: number, value: unknown): RequestFields {
    const { path, rulePath } = this.#scope;
    return new RequestFields(value, {
      ...this.#scope,
      path: `${path}${name}[${at}].`,
      rulePath: `${rulePath}${name}[].`,
    });
  }

  /** Notes that a field, or this value of it, is not supported; `finish` throws. */
  refuse(name: string, value = '', note = ''): void {
    this.#scope.refusals.push({ field: this.pathOf(name.slice(0, maxQuoted)), value, note });
  }

  /** Notes what is done instead of what a field asks for, such as `top_k=20`; the response's headers name it. */
  adjust(name: string, instead: string): void {
    this.#scope.adjusted.push(`${this.pathOf(name)}${instead}`);
  }

  /** What was noted by `adjust` in the whole request. */
  get adjusted(): readonly string[] {
    return this.#scope.adjusted;
  }

  /** Accepts every field that nothing has read. */
  ignoreRest(): void {
    for (const name of Object.keys(this.#fields)) this.#seen.add(name);
  }

  /** Applies the rules to the fields that nothing has read. */
  done(): void {
    const { rules, rulePath, refusals } = this.#scope;
    for (const [name, value] of Object.entries(this.#fields)) {
      if (refusals.length >= maxCollected) return;
      if (this.#seen.has(name) || value === null) continue;
      const rule = rules.find(({ field }) => field === `${rulePath}${name}`);
      if (rule?.treatment === 'ignored') continue;
      const accepts = rule?.accepts ?? [];
      if (accepts.some((accepted) => isDeepStrictEqual(accepted, value))) continue;
      const accepted = accepts
        .map((each) => JSON.stringify(each))
        .filter((each) => !emptyValues.has(each))
        .join(' or ');
      this.refuse(name, accepted === '' ? '' : `other than ${accepted}`, rule?.note ?? 'unknown field');
    }
  }

  /** Ends the reading of a whole request. @throws Problem naming every field that is not supported */
  finish(): void {
    this.done();
    const { refusals } = this.#scope;
    const [first] = refusals;
    if (first === undefined) return;
    if (refusals.length === 1) throw unsupported(first.field, first.value, first.note);
    const named = refusals.slice(0, maxNamed).map(({ field, value, note }) => {
      const reason = note === '' ? '' : `(${note})`;
      return [field, value, reason].filter((part) => part !== '').join(' ');
    });
    const more = refusals.length > maxNamed ? `, and ${refusals.length - maxNamed} more` : '';
    throw new Problem(400, 'E_UNSUPPORTED', `${refusals.length} fields are not supported: ${named.join(', ')}${more}`, {
      param: first.field,
    });
  }

  bad(name: string, expected: string): Error {
    return badField(this.pathOf(name), `${this.pathOf(name)}: expected ${expected}`);
  }
}

/**
 * `value` for an error message: a text quoted and shortened, else its type, since a nested list could be too deep to
 * write.
 */
export function quoted(value: unknown): string {
  return typeof value === 'string'
    ? `"${value.slice(0, maxQuoted)}"`
    : `of type ${value === null ? 'null' : typeof value}`;
}
