import { BoundsError, TemplateError } from '../errors.ts';

/**
 * Python's values as templates see them. Integers are bigint and floats number, so that `1` and `1.0` stay apart and
 * no integer loses digits. A list is an array, since templates change lists in place.
 */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Value[]
  | Undefined
  | Markup
  | Tuple
  | Dict
  | DictView
  | Range
  | Lazy
  | Callable
  | Attributed;

/** A missing name, attribute or item. It prints as nothing and is false; most other uses of it fail. */
export class Undefined {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

/** A text that `safe` or `escape` marked: what is added to it is escaped. Anything else takes it for its text. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  static escape(text: string): string {
    return text.replace(/[&<>'"]/g, (character) => entities[character] ?? character);
  }
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
};

export class Tuple {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** What `groupby` gives: a pair whose parts have names. */
export class Group extends Tuple {
  readonly grouper: Value;
  readonly list: Value[];

  constructor(grouper: Value, list: Value[]) {
    super([grouper, list]);
    this.grouper = grouper;
    this.list = list;
  }
}

/** `range(…)`, which is never written out. */
export class Range {
  readonly start: bigint;
  readonly stop: bigint;
  readonly step: bigint;
  readonly length: number;

  constructor(start: bigint, stop: bigint, step: bigint) {
    this.start = start;
    this.stop = stop;
    this.step = step;
    const span = step > 0n ? stop - start : start - stop;
    const stride = step > 0n ? step : -step;
    const length = span <= 0n ? 0n : (span + stride - 1n) / stride;
    if (length > Number.MAX_SAFE_INTEGER) throw new BoundsError('its range() is too long');
    this.length = Number(length);
  }

  at(index: number): bigint {
    return this.start + this.step * BigInt(index);
  }
}

/** A generator or iterator: it can be gone through once. */
export class Lazy {
  readonly items: Iterator<Value>;

  constructor(items: Iterable<Value>) {
    this.items = items[Symbol.iterator]();
  }
}

/** Arguments of a call as the template wrote them. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

export class Callable {
  /** As Python prints it, or null if that would hold a memory address. */
  readonly shown: string | null;
  readonly call: (args: Arguments) => Value;

  constructor(call: (args: Arguments) => Value, shown: string | null = null) {
    this.call = call;
    this.shown = shown;
  }
}

/** A value of the language itself with attributes of its own: `loop`, a namespace, a cycler. */
export abstract class Attributed {
  abstract attribute(name: string): Value | undefined;
  /** @throws TemplateError if it cannot be called */
  call(_args: Arguments): Value {
    throw new TemplateError('the object is not callable');
  }
  /** As Python prints it, or null if that would hold a memory address. */
  shown(_repr: (value: Value) => string): string | null {
    return null;
  }
}

export class Namespace extends Attributed {
  readonly attributes: Map<string, Value>;

  constructor(attributes: Map<string, Value>) {
    super();
    this.attributes = attributes;
  }

  attribute(name: string): Value | undefined {
    return this.attributes.get(name);
  }

  override shown(repr: (value: Value) => string): string {
    return `<Namespace ${repr(new Dict([...this.attributes]))}>`;
  }
}

/** A dict: keeps the order of insertion; `1`, `1.0` and `true` are one key. */
export class Dict {
  readonly #entries = new Map<Value, [key: Value, value: Value]>();

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(identityOf(key))?.[1];
  }

  has(key: Value): boolean {
    return this.#entries.has(identityOf(key));
  }

  set(key: Value, value: Value): void {
    const identity = identityOf(key);
    const known = this.#entries.get(identity);
    if (known === undefined) this.#entries.set(identity, [key, value]);
    else known[1] = value;
  }

  delete(key: Value): boolean {
    return this.#entries.delete(identityOf(key));
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Live, in order of insertion. */
  entries(): IterableIterator<readonly [Value, Value]> {
    return this.#entries.values();
  }

  *keys(): Generator<Value> {
    for (const [key] of this.#entries.values()) yield key;
  }

  *values(): Generator<Value> {
    for (const [, value] of this.#entries.values()) yield value;
  }
}

/** What `items()`, `keys()` and `values()` give: a look at the dict as it is at that time. */
export class DictView {
  readonly dict: Dict;
  readonly part: 'items' | 'keys' | 'values';

  constructor(dict: Dict, part: DictView['part']) {
    this.dict = dict;
    this.part = part;
  }
}

/** Characters of a tuple's written identity, and tuples in tuples. */
const maxIdentityLength = 65_536;
const maxIdentityDepth = 8;

/** One JavaScript value per class of keys that Python calls equal. Tuples are written out; a list has no hash. */
function identityOf(key: Value, depth = 0): Value {
  if (typeof key === 'boolean') return key ? 1n : 0n;
  if (typeof key === 'number' && Number.isInteger(key)) return BigInt(key);
  // A text that no other key's identity can be: texts themselves get a prefix.
  if (typeof key === 'string') return `s${key}`;
  if (key instanceof Tuple) return tupleIdentity(key, depth);
  if (key instanceof Undefined) return 'u';
  if (Array.isArray(key) || key instanceof Dict) throw new TemplateError('a list or dict cannot be a key');
  return key;
}

function tupleIdentity({ items }: Tuple, depth: number): string {
  if (depth >= maxIdentityDepth) throw new BoundsError('the tuples in its keys nest too deeply');
  let written = 't';
  for (const item of items) {
    const identity = identityOf(item, depth + 1);
    if (identity !== null && typeof identity === 'object')
      throw new TemplateError('a tuple with an object in it cannot be a key here');
    const part = `${typeof identity}:${String(identity)}`;
    written += `${part.length},${part}`;
    if (written.length > maxIdentityLength) throw new BoundsError('the tuples in its keys grow too long');
  }
  return written;
}
