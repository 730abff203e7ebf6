import type { JsonText } from '../json-text.ts';
import type { Items } from '../rule-builder.ts';
import type { Reader, Schema } from './keywords.ts';
import type { ValueCompiler } from './objects.ts';
import type { OnUnsupported } from './strings.ts';

/** The lists of a schema; null if there is none. */
export function listItems(
  json: JsonText,
  schema: Reader,
  compile: ValueCompiler,
  onUnsupported: OnUnsupported,
): Items | null {
  const { first, rest } = partsOf(schema);
  const min = schema.count('minItems') ?? 0;
  const restItems = compile(rest, 'items');
  const places = first.map((each, at) => compile(each, `prefixItems/${at}`));
  const barred = places.indexOf(null);
  const longest = barred !== -1 ? barred : restItems === null ? places.length : null;
  const asked = schema.count('maxItems') ?? null;
  const max = longest === null ? asked : Math.min(longest, asked ?? longest);
  if (schema.flag('uniqueItems') === true && (max === null || max > 1)) onUnsupported('uniqueItems');
  if (max !== null && min > max) return null;
  if (places.length === 0) return json.list(restItems ?? [], min, max);
  const writer = new PlaceWriter(json, places, restItems, min, max);
  return json.bracketed('[', writer.from(0), ']');
}

/** `items` was a list itself, before `prefixItems` came. */
function partsOf(schema: Reader): { readonly first: readonly Schema[]; readonly rest: Schema } {
  if (Array.isArray(schema.raw('items')))
    return { first: schema.schemas('items') ?? [], rest: schema.schema('additionalItems') ?? true };
  const first = schema.schemas('prefixItems') ?? [];
  // As with properties: further items come only where they are asked for.
  return { first, rest: schema.schema('items') ?? first.length === 0 };
}

class PlaceWriter {
  readonly #json: JsonText;
  readonly #places: readonly (Items | null)[];
  readonly #rest: Items | null;
  readonly #min: number;
  readonly #max: number | null;

  constructor(json: JsonText, places: readonly (Items | null)[], rest: Items | null, min: number, max: number | null) {
    this.#json = json;
    this.#places = places;
    this.#rest = rest;
    this.#min = min;
    this.#max = max;
  }

  /** What a list holds behind its first `at` items. */
  from(at: number): Items {
    const { space, comma, rules } = this.#json;
    if (this.#max !== null && at >= this.#max) return space;
    const place = this.#places[at];
    const before = at === 0 ? space : comma;
    if (at >= this.#places.length) {
      const more = this.#max === null ? null : this.#max - at;
      return [...rules.repeat([...before, ...(this.#rest ?? [])], Math.max(0, this.#min - at), more), ...space];
    }
    const written = [...before, ...(place ?? []), ...this.from(at + 1)];
    return at < this.#min ? written : [rules.add([space, written])];
  }
}
