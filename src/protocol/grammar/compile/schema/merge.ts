import { isNote, isObject, jsonTypeOf, type Schema, type SchemaObject } from './keywords.ts';

/** Alternatives of two lists that are combined. */
const maxCombined = 256;

/** What two schemas say together could not be written as one. */
export class UnmergedError extends Error {
  readonly keyword: string;

  constructor(keyword: string) {
    super(`two values of "${keyword}" for the same part`);
    this.name = 'UnmergedError';
    this.keyword = keyword;
  }
}

type MergedKeyword = (a: unknown, b: unknown) => unknown;

const both: MergedKeyword = (a, b) => ({ allOf: [a, b] });
const larger: MergedKeyword = (a, b) => Math.max(a as number, b as number);
const smaller: MergedKeyword = (a, b) => Math.min(a as number, b as number);

/** How two values of a keyword become one; of those that are not here, the two have to be equal. */
const merged: Readonly<Record<string, MergedKeyword>> = {
  type: mergedTypes,
  nullable: (a, b) => a === true && b === true,
  enum: commonValues,
  required: (a, b) => [...new Set([...listOf(a), ...listOf(b)])],
  allOf: (a, b) => [...listOf(a), ...listOf(b)],
  anyOf: combined,
  oneOf: combined,
  items: both,
  additionalItems: both,
  propertyNames: both,
  uniqueItems: (a, b) => a === true || b === true,
  minItems: larger,
  minLength: larger,
  minProperties: larger,
  minimum: larger,
  exclusiveMinimum: larger,
  maxItems: smaller,
  maxLength: smaller,
  maxProperties: smaller,
  maximum: smaller,
  exclusiveMaximum: smaller,
};

/**
 * A schema that holds where both hold. The parts that they share are merged when they are looked at.
 * @throws UnmergedError
 */
export function merge(a: Schema, b: Schema): Schema {
  if (a === true || b === false) return b;
  if (b === true || a === false) return a;
  checkPlaces(a, b);
  // A map, since a stranger's keyword may be called like a method of every object.
  const keywords = new Map(Object.entries(independent(withoutProperties(a))));
  for (const [name, value] of Object.entries(independent(withoutProperties(b)))) {
    if (isNote(name)) continue;
    const own = keywords.get(name);
    if (own === undefined) keywords.set(name, value);
    else if (!isSame(own, value)) keywords.set(name, mergeValues(name, own, value));
  }
  const values = keywords.get('enum');
  if (Array.isArray(values) && values.length === 0) return false;
  return { ...Object.fromEntries(keywords), ...mergedProperties(a, b) };
}

/**
 * The schema without keywords that change the meaning of another one beside them, which may come from the other schema:
 * `nullable` beside a type, and draft 4's flags that exclude a bound.
 */
function independent(schema: SchemaObject): SchemaObject {
  const { nullable, type, minimum, exclusiveMinimum, maximum, exclusiveMaximum, ...rest } = schema;
  const isWidened = nullable === true && type !== undefined;
  return Object.fromEntries(
    Object.entries({
      ...rest,
      ...(isWidened ? { type: [...listOf(type), 'null'] } : { nullable, type }),
      ...(typeof exclusiveMinimum === 'boolean'
        ? { [exclusiveMinimum ? 'exclusiveMinimum' : 'minimum']: minimum }
        : { minimum, exclusiveMinimum }),
      ...(typeof exclusiveMaximum === 'boolean'
        ? { [exclusiveMaximum ? 'exclusiveMaximum' : 'maximum']: maximum }
        : { maximum, exclusiveMaximum }),
    }).filter(([, value]) => value !== undefined),
  );
}

/**
 * `items` is about what follows the places of its own schema, so it would miss those that the other schema adds.
 * @throws UnmergedError
 */
function checkPlaces(a: SchemaObject, b: SchemaObject): void {
  const [own, others] = [placesOf(a), placesOf(b)];
  if (own === undefined && others === undefined) return;
  const isApart = (places: unknown, { items = true }: SchemaObject): boolean => places === undefined && items !== true;
  if (isApart(own, a) || isApart(others, b)) throw new UnmergedError('items');
  if (own !== undefined && others !== undefined && !isSame(own, others)) throw new UnmergedError('prefixItems');
}

/** The schemas of a list's first items; `items` was a list itself, before `prefixItems` came. */
function placesOf({ items, prefixItems }: SchemaObject): unknown {
  return Array.isArray(items) ? items : prefixItems;
}

function mergeValues(name: string, a: unknown, b: unknown): unknown {
  const merger = Object.hasOwn(merged, name) ? merged[name] : undefined;
  if (merger === undefined) throw new UnmergedError(name);
  return merger(a, b);
}

const propertyKeywords = ['properties', 'additionalProperties'];

function withoutProperties(schema: SchemaObject): SchemaObject {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => !propertyKeywords.includes(name)));
}

/** A property of one alone is, for the other, an additional one. */
function mergedProperties(a: SchemaObject, b: SchemaObject): SchemaObject {
  const [own, others] = [propertiesOf(a), propertiesOf(b)];
  const properties = new Map<string, unknown>();
  for (const name of new Set([...Object.keys(own), ...Object.keys(others)])) {
    const parts = [propertyOf(own, name) ?? a.additionalProperties, propertyOf(others, name) ?? b.additionalProperties];
    const said = parts.filter((part) => part !== undefined && part !== true);
    properties.set(name, said.length < 2 ? (said[0] ?? true) : both(said[0], said[1]));
  }
  const rest = [a, b].flatMap(({ additionalProperties }) =>
    additionalProperties === undefined ? [] : [additionalProperties],
  );
  return {
    ...(a.properties === undefined && b.properties === undefined ? {} : { properties: Object.fromEntries(properties) }),
    ...(rest.length === 0 ? {} : { additionalProperties: rest.reduce<unknown>(bothOrFalse, true) }),
  };
}

function bothOrFalse(a: unknown, b: unknown): unknown {
  return a === false || b === false ? false : a === true ? b : b === true ? a : both(a, b);
}

function propertiesOf(schema: SchemaObject): SchemaObject {
  return isObject(schema.properties) ? schema.properties : {};
}

function propertyOf(properties: SchemaObject, name: string): unknown {
  return Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** The types in both; a whole number is a number. */
function mergedTypes(a: unknown, b: unknown): readonly unknown[] {
  const [own, others] = [listOf(a), listOf(b)];
  const has = (list: readonly unknown[], type: unknown): boolean =>
    list.includes(type) || (type === 'integer' && list.includes('number'));
  return [...new Set([...own.filter((type) => has(others, type)), ...others.filter((type) => has(own, type))])];
}

function commonValues(a: unknown, b: unknown): readonly unknown[] {
  const texts = new Set(listOf(b).map((value) => JSON.stringify(value)));
  return listOf(a).filter((value) => texts.has(JSON.stringify(value)));
}

function combined(a: unknown, b: unknown): readonly unknown[] {
  const [own, others] = [listOf(a), listOf(b)];
  if (own.length * others.length > maxCombined) throw new UnmergedError('anyOf');
  return own.flatMap((one) => others.map((other) => both(one, other)));
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [value];
}

/** Whether two JSON values are equal, whatever the order of keys. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (jsonTypeOf(a) !== jsonTypeOf(b) || typeof a !== 'object' || typeof b !== 'object' || a === null || b === null)
    return false;
  const [own, others] = [Object.entries(a), Object.entries(b)];
  const values = new Map<string, unknown>(others);
  return own.length === others.length && own.every(([key, value]) => values.has(key) && isSame(value, values.get(key)));
}
