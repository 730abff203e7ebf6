import { isDeepStrictEqual } from 'node:util';
import { badField, unsupported } from '../problem.ts';

/**
 * The fields of a JSON object in a request. The reader names every field it knows; `done` refuses the rest, so that no
 * field is ignored silently. `null` counts as absent.
 */
export class Fields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #path: string;
  readonly #seen = new Set<string>();

  /**
   * @param path the prefix of field names in messages, such as `messages[0].`. @throws Problem if `value` is not an
   * object
   */
  constructor(value: unknown, path = '') {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw badField(
        path.replace(/\.$/, ''),
        `${path === '' ? 'the request' : path.replace(/\.$/, '')}: expected a JSON object`,
      );
    this.#fields = value as Readonly<Record<string, unknown>>;
    this.#path = path;
  }

  /** The field's path within the request. */
  pathOf(name: string): string {
    return `${this.#path}${name}`;
  }

  raw(name: string): unknown {
    this.#seen.add(name);
    return Object.hasOwn(this.#fields, name) ? (this.#fields[name] ?? undefined) : undefined;
  }

  text(name: string): string | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (typeof value !== 'string') throw this.bad(name, 'text');
    return wellFormed(value, this.pathOf(name));
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

  object(name: string): Fields | undefined {
    const value = this.raw(name);
    return value === undefined ? undefined : new Fields(value, `${this.pathOf(name)}.`);
  }

  /** Accepts fields with one of the values listed, which change nothing here; refuses any other value. */
  neutral(neutrals: Readonly<Record<string, readonly unknown[]>>): void {
    for (const [name, values] of Object.entries(neutrals)) {
      const value = this.raw(name);
      if (value === undefined || values.some((neutral) => isDeepStrictEqual(neutral, value))) continue;
      throw unsupported(
        this.pathOf(name),
        values.length === 0 ? undefined : `other than ${values.map((neutral) => JSON.stringify(neutral)).join(' or ')}`,
      );
    }
  }

  /** Accepts fields with any value and ignores them. */
  ignored(...names: readonly string[]): void {
    for (const name of names) this.#seen.add(name);
  }

  /** @throws Problem naming the first field that nothing has read */
  done(): void {
    for (const [name, value] of Object.entries(this.#fields))
      if (!this.#seen.has(name) && value !== null) throw unsupported(this.pathOf(name.slice(0, 100)));
  }

  bad(name: string, expected: string): Error {
    return badField(this.pathOf(name), `${this.pathOf(name)}: expected ${expected}`);
  }
}

function wellFormed(value: string, path: string): string {
  if (!value.isWellFormed()) throw badField(path, `${path}: not Unicode (a lone surrogate)`);
  return value;
}
