import { TemplateError } from '../errors.ts';
import { isEqual } from '../values/compare.ts';
import { sizeOf } from '../values/iterate.ts';
import { type Arguments, Attributed, Callable, Tuple, Undefined, type Value } from '../values/values.ts';
import type { Budget } from './budget.ts';

/** Renders the loop's body again over the items of another value. */
export type Recurse = (items: Value, depth: number) => string;

/** The special name `loop`. It looks ahead only if the template asks, since that moves a generator on. */
export class LoopContext extends Attributed {
  readonly #items: Iterator<Value>;
  readonly #over: Value;
  readonly #depth0: number;
  readonly #recurse: Recurse | null;
  readonly #budget: Budget;
  #ahead: Value[] = [];
  #length: number | null = null;
  #index0 = -1;
  #before: Value | undefined;
  #current: Value | undefined;
  #lastChanged: Value | undefined;

  constructor(init: {
    /** What is gone through. */
    readonly over: Value;
    readonly items: Iterable<Value>;
    readonly depth0: number;
    readonly recurse: Recurse | null;
    readonly budget: Budget;
  }) {
    super();
    this.#over = init.over;
    this.#items = init.items[Symbol.iterator]();
    this.#depth0 = init.depth0;
    this.#recurse = init.recurse;
    this.#budget = init.budget;
  }

  /** Goes on to the next item; undefined at the end. */
  next(): Value | undefined {
    const item = this.#ahead.length > 0 ? this.#ahead.shift() : this.#pull();
    if (item === undefined) return undefined;
    this.#index0++;
    this.#before = this.#current;
    this.#current = item;
    return item;
  }

  attribute(name: string): Value | undefined {
    const index0 = BigInt(this.#index0);
    switch (name) {
      case 'index0':
        return index0;
      case 'index':
        return index0 + 1n;
      case 'first':
        return this.#index0 === 0;
      case 'last':
        return this.#peek() === undefined;
      case 'length':
        return BigInt(this.#size());
      case 'revindex':
        return BigInt(this.#size()) - index0;
      case 'revindex0':
        return BigInt(this.#size()) - index0 - 1n;
      case 'depth0':
        return BigInt(this.#depth0);
      case 'depth':
        return BigInt(this.#depth0 + 1);
      case 'previtem':
        return this.#before ?? new Undefined('there is no previous item');
      case 'nextitem':
        return this.#peek() ?? new Undefined('there is no next item');
      case 'cycle':
        return new Callable(({ positional }) => this.#cycle(positional));
      case 'changed':
        return new Callable(({ positional }) => this.#changed(new Tuple(positional)));
    }
    return undefined;
  }

  override call({ positional }: Arguments): Value {
    const [items] = positional;
    if (this.#recurse === null || items === undefined)
      throw new TemplateError("the loop must have the 'recursive' marker to be called recursively");
    return this.#recurse(items, this.#depth0 + 1);
  }

  #pull(): Value | undefined {
    const next = this.#items.next();
    return next.done === true ? undefined : next.value;
  }

  #peek(): Value | undefined {
    if (this.#ahead.length === 0) {
      const item = this.#pull();
      if (item !== undefined) this.#ahead.push(item);
    }
    return this.#ahead[0];
  }

  /** The length of what is gone through; of a generator, after it was run to its end. */
  #size(): number {
    if (this.#length !== null) return this.#length;
    const size = sizeOf(this.#over, this.#budget);
    if (size === null) {
      for (let item = this.#pull(); item !== undefined; item = this.#pull()) this.#ahead.push(item);
      this.#budget.spendItems(this.#ahead.length);
    }
    this.#length = size ?? this.#ahead.length + this.#index0 + 1;
    return this.#length;
  }

  #cycle(values: readonly Value[]): Value {
    const value = values[this.#index0 % values.length];
    if (value === undefined) throw new TemplateError('no items for cycling given');
    return value;
  }

  #changed(value: Value): boolean {
    if (this.#lastChanged !== undefined && isEqual(this.#lastChanged, value, this.#budget)) return false;
    this.#lastChanged = value;
    return true;
  }
}
