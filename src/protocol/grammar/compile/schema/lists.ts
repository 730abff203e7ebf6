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
  return json.bracketed('[', placeItems(json, places, restItems, min, max), ']');
}

/** `items` was a list itself, before `prefixItems` came. */
function partsOf(schema: Reader): { readonly first: readonly Schema[]; readonly rest: Schema } {
  if (Array.isArray(schema.raw('items')))
    return { first: schema.schemas('items') ?? [], rest: schema.schema('additionalItems') ?? true };
  const first = schema.schemas('prefixItems') ?? [];
  // As with properties: further items come only where they are asked for.
  return { first, rest: schema.schema('items') ?? first.length === 0 };
}

/** What a list holds whose first items have places of their own. */
function placeItems(
  json: JsonText,
  places: readonly (Items | null)[],
  rest: Items | null,
  min: number,
  max: number | null,
): Items {
  const { space, comma, rules } = json;
  const end = Math.min(places.length, max ?? places.length);
  const more = max === null ? null : max - end;
  const others = (): Items => rules.repeat([...comma, ...(rest ?? [])], Math.max(0, min - end), more);
  const written = (at: number): Items => [...(at === 0 ? space : comma), ...(places[at] ?? [])];
  let following: Items = more === 0 ? space : [...others(), ...space];
  for (let at = end - 1; at >= min; at--) following = [rules.add([space, [...written(at), ...following]])];
  return [...places.slice(0, Math.min(min, end)).flatMap((_, at) => written(at)), ...following];
}
