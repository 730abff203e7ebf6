import { BadInputError } from '../../../encoding/malformed-error.ts';
import { complementOf, difference } from '../code-points.ts';
import type { JsonText } from '../json-text.ts';
import { type Items, literal } from '../rule-builder.ts';
import type { Reader, Schema } from './keywords.ts';
import type { OnUnsupported } from './strings.ts';

/** How parts of a schema become items: null for one that no value fits. */
export type ValueCompiler = (schema: Schema, place: string) => Items | null;

/** Characters of a property's name, if names that are not in the schema have to differ from it. */
const maxNameLength = 500;

interface Member {
  readonly items: Items;
  readonly isRequired: boolean;
}

/**
 * The objects of a schema. Its properties come in the schema's order. Further ones come only where
 * `additionalProperties` asks for them; without any word about properties, all do.
 */
export function objectItems(
  json: JsonText,
  schema: Reader,
  compile: ValueCompiler,
  onUnsupported: OnUnsupported,
): Items | null {
  const properties = schema.named('properties');
  const required = schema.texts('required') ?? [];
  const names = [...new Set([...Object.keys(properties ?? {}), ...required])];
  const others = othersOf(json, schema, names, compile, onUnsupported);
  const bounds = [schema.count('minProperties') ?? 0, schema.count('maxProperties') ?? null] as const;
  if (names.length === 0) {
    if (others === null) return bounds[0] > 0 ? null : json.object(json.space);
    return json.object(json.separated(others, ...bounds));
  }
  checkBounds(bounds, names.length, required.length, others !== null, onUnsupported);
  const unlisted = schema.schema('additionalProperties') ?? true;
  const members = membersOf(json, names, new Set(required), properties ?? {}, unlisted, compile);
  return members === null ? null : json.object(new MemberWriter(json, members, others).first(0));
}

/**
 * Null if a required property fits no value.
 * @param others of a required property that is not among `properties`
 */
function membersOf(
  json: JsonText,
  names: readonly string[],
  required: ReadonlySet<string>,
  properties: Readonly<Record<string, Schema>>,
  others: Schema,
  compile: ValueCompiler,
): readonly Member[] | null {
  const members: Member[] = [];
  for (const name of names) {
    const schema = Object.hasOwn(properties, name) ? (properties[name] ?? true) : others;
    const value = compile(schema, `properties/${name}`);
    const isRequired = required.has(name);
    if (value === null && isRequired) return null;
    if (value !== null) members.push({ items: json.member(json.value(name), value), isRequired });
  }
  return members;
}

/** A further property; null if there is none. */
function othersOf(
  json: JsonText,
  schema: Reader,
  names: readonly string[],
  compile: ValueCompiler,
  onUnsupported: OnUnsupported,
): Items | null {
  const patterns = Object.entries(schema.named('patternProperties') ?? {});
  const said = schema.schema('additionalProperties');
  const propertyNames = schema.schema('propertyNames');
  if (propertyNames !== undefined && (names.length > 0 || patterns.length > 0))
    onUnsupported('propertyNames', 'beside other properties');
  const [only] = patterns;
  if (only !== undefined) {
    if (patterns.length > 1 || names.length > 0 || said !== false)
      onUnsupported('patternProperties', 'beside other properties');
    return memberOf(json, compile({ type: 'string', pattern: only[0] }, 'patternProperties'), only[1], compile);
  }
  const isOpen = said !== undefined || (names.length === 0 && !schema.has('properties'));
  if (!isOpen || said === false) return null;
  const name =
    propertyNames === undefined
      ? nameOtherThan(json, names)
      : compile({ allOf: [{ type: 'string' }, propertyNames] }, 'propertyNames');
  return memberOf(json, name, said ?? true, compile);
}

function memberOf(json: JsonText, name: Items | null, schema: Schema, compile: ValueCompiler): Items | null {
  const value = compile(schema, 'additionalProperties');
  return name === null || value === null ? null : json.member(name, value);
}

function checkBounds(
  [min, max]: readonly [number, number | null],
  names: number,
  required: number,
  isOpen: boolean,
  onUnsupported: OnUnsupported,
): void {
  if (min > required) onUnsupported('minProperties', 'beside properties that may be left out');
  if (max !== null && (isOpen || max < names)) onUnsupported('maxProperties', 'beside more properties');
}

/** Writes members in their order, each with the comma that it needs. */
class MemberWriter {
  readonly #json: JsonText;
  readonly #members: readonly Member[];
  /** What may follow once a member is written, by the number of the next one. */
  readonly #following: Items[] = [];
  readonly #others: Items | null;

  constructor(json: JsonText, members: readonly Member[], others: Items | null) {
    this.#json = json;
    this.#members = members;
    this.#following[members.length] =
      others === null ? json.space : [...json.rules.repeat([...json.comma, ...others], 0, null), ...json.space];
    this.#others = others;
    for (let at = members.length - 1; at >= 0; at--) this.#following[at] = this.#followingFrom(at);
  }

  /** What an object holds if no member before number `at` is written. */
  first(at: number): Items {
    const { rules } = this.#json;
    const member = this.#members[at];
    if (member === undefined) {
      const others = this.#others;
      return others === null ? this.#json.space : this.#json.separated(others, 0, null);
    }
    const written = [...this.#json.space, ...member.items, ...(this.#following[at + 1] ?? [])];
    return member.isRequired ? written : [rules.add([written, this.first(at + 1)])];
  }

  #followingFrom(at: number): Items {
    const after = this.#following[at + 1] ?? [];
    const member = this.#members[at];
    const written = [...this.#json.comma, ...(member?.items ?? []), ...after];
    return [this.#json.rules.add(member?.isRequired === true ? [written] : [written, after])];
  }
}

/** A name in quotes that is not one of these, without escapes, so that it can't be one of them written otherwise. */
function nameOtherThan(json: JsonText, names: readonly string[]): Items {
  if (names.length === 0) return json.string();
  if (names.some(({ length }) => length > maxNameLength))
    throw new BadInputError(`the schema has a property of more than ${maxNameLength} characters beside others`);
  const plain = complementOf([0, 0x1f, 0x22, 0x22, 0x5c, 0x5c]);
  const anything = json.rules.repeat([plain], 0, null);
  const after = (begun: readonly string[]): Items => {
    const next = new Map<number, string[]>();
    for (const name of begun) {
      const [first] = name;
      const point = first?.codePointAt(0);
      if (first === undefined || point === undefined) continue;
      next.set(point, [...(next.get(point) ?? []), name.slice(first.length)]);
    }
    const other = difference(
      plain,
      [...next.keys()].flatMap((point) => [point, point]),
    );
    const alternatives: Items[] = begun.includes('') ? [] : [[]];
    alternatives.push([other, ...anything]);
    for (const [point, rests] of next)
      if (difference([point, point], plain).length === 0) alternatives.push([[point, point], ...after(rests)]);
    return json.rules.choice(alternatives);
  };
  return [...literal('"'), ...after(names), ...literal('"')];
}
