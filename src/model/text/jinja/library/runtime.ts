import type { Budget } from '../evaluate/budget.ts';
import type { Arguments, Value } from '../values/values.ts';

/** What filters, tests and methods need of the rendering that they run in. */
export interface Runtime {
  readonly budget: Budget;
  call(callee: Value, args: Arguments): Value;
  /** `value.name`: an attribute, else an item. */
  attribute(value: Value, name: string): Value;
  isFilter(name: string): boolean;
  /** `value[key]`: an item, else an attribute. */
  item(value: Value, key: Value): Value;
}

/** A filter: `value | name(args)`. */
export type Filter = (value: Value, args: Arguments, runtime: Runtime) => Value;
