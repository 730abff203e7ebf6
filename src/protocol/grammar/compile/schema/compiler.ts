import { BadInputError } from '../../../encoding/malformed-error.ts';
import type { JsonText } from '../json-text.ts';
import type { Items } from '../rule-builder.ts';
import type { SchemaDocument } from './document.ts';
import {
  isKeyword,
  type JsonType,
  jsonTypeOf,
  jsonTypes,
  Reader,
  type Schema,
  type SchemaObject,
  subjectOfKeyword,
  withoutNotes,
} from './keywords.ts';
import { listItems } from './lists.ts';
import { isSame, merge, UnmergedError } from './merge.ts';
import { numberItems, readRange } from './numbers.ts';
import { objectItems } from './objects.ts';
import { stringItems } from './strings.ts';

/** Parts of a schema that are looked at, and how many of them within each other. */
const maxParts = 20_000;
const maxDepth = 200;
/** To merge a value costs several times as much as to read it. */
const mergeWeight = 4;
/** Unsupported keywords that an error names. */
const maxNamed = 10;

/** Turns the parts of a schema into rules, each once. */
export class SchemaCompiler {
  readonly #json: JsonText;
  readonly #document: SchemaDocument;
  /** The rules of parts, by their text; null for a part that no value fits. */
  readonly #known = new Map<string, number | null>();
  /** Where keywords are that cannot be followed. */
  readonly #unsupported = new Set<string>();
  #parts = 0;
  #depth = 0;

  constructor(json: JsonText, document: SchemaDocument) {
    this.#json = json;
    this.#document = document;
  }

  /** @throws BadInputError naming every keyword that cannot be followed, or for a schema that no value fits */
  whole(): Items {
    const items = this.#value(this.#document.root, '#');
    if (this.#unsupported.size > 0) throw new BadInputError(namesOf([...this.#unsupported]));
    if (items === null) throw new BadInputError('no value fits the schema');
    return items;
  }

  #value(schema: Schema, place: string): Items | null {
    if (schema === false) return null;
    if (schema === true) return this.#json.anyValue;
    this.#json.rules.spend(schema);
    const key = JSON.stringify(withoutNotes(schema));
    if (key === '{}') return this.#json.anyValue;
    const known = this.#known.get(key);
    if (known !== undefined) return known === null ? null : [known];
    if (++this.#parts > maxParts || this.#depth > maxDepth)
      throw new BadInputError(
        `the schema's parts, each with what it refers to, are too many or too large (at ${place})`,
      );
    this.#depth++;
    const rule = this.#json.rules.reserve(`the schema's part ${place}`);
    this.#known.set(key, rule);
    const items = this.#compile(schema, place);
    this.#depth--;
    if (items === null) this.#known.set(key, null);
    // A part that refers to itself may have its rule already.
    this.#json.rules.define(rule, items === null ? [] : [items]);
    return items === null ? null : [rule];
  }

  #compile(schema: SchemaObject, place: string): Items | null {
    for (const name of Object.keys(schema)) if (!isKeyword(name)) this.#note(name, place);
    const reader = new Reader(schema, place);
    try {
      const merged = this.#merged(schema, reader);
      if (merged !== null) return this.#value(merged, place);
    } catch (error) {
      if (!(error instanceof UnmergedError)) throw error;
      this.#note(error.keyword, place, 'twice for the same part');
      return this.#json.anyValue;
    }
    const alternatives = reader.schemas('anyOf') ?? reader.schemas('oneOf');
    if (alternatives !== undefined) return this.#alternatives(schema, alternatives, place);
    return this.#plain(schema, reader, place);
  }

  /** The schema with `$ref` and `allOf` carried out; null if it has neither. */
  #merged(schema: SchemaObject, reader: Reader): Schema | null {
    if (schema.$ref !== undefined) return this.#resolved(schema, reader);
    const parts = reader.schemas('allOf');
    if (parts === undefined) return null;
    const { allOf: _parts, ...rest } = schema;
    return parts.map((part) => this.#resolved(part, reader)).reduce((a, b) => this.#mergeOf(a, b), rest);
  }

  /** A schema with what its `$ref` names, which may name another in turn. */
  #resolved(schema: Schema, reader: Reader): Schema {
    let resolved = schema;
    for (let count = 0; typeof resolved !== 'boolean' && resolved.$ref !== undefined; count++) {
      const { $ref, ...others } = resolved;
      if (typeof $ref !== 'string') throw reader.bad('$ref', 'a text');
      if (count === maxDepth) throw new BadInputError(`the schema's "$ref" ${JSON.stringify($ref)} names only itself`);
      resolved = this.#mergeOf(this.#document.find($ref), others);
    }
    return resolved;
  }

  #mergeOf(a: Schema, b: Schema): Schema {
    this.#json.rules.spend([a, b], mergeWeight);
    return merge(a, b);
  }

  #alternatives(schema: SchemaObject, alternatives: readonly Schema[], place: string): Items | null {
    const keyword = schema.anyOf === undefined ? 'oneOf' : 'anyOf';
    const rest = withoutNotes(Object.fromEntries(Object.entries(schema).filter(([name]) => name !== keyword)));
    const hasMore = Object.keys(rest).length > 0;
    return this.#anyOf(
      alternatives.map((each, at) => {
        const part = hasMore ? { allOf: [rest, each] } : each;
        return this.#value(part, `${place}/${keyword}/${at}`);
      }),
    );
  }

  #anyOf(alternatives: readonly (Items | null)[]): Items | null {
    const possible = alternatives.filter((each) => each !== null);
    return possible.length === 0 ? null : this.#json.rules.choice(possible);
  }

  /** A schema without `$ref` and combinations. */
  #plain(schema: SchemaObject, reader: Reader, place: string): Items | null {
    const listed = reader.values('enum');
    const values = reader.has('const')
      ? [schema.const].filter((value) => listed?.some((each) => isSame(value, each)) ?? true)
      : listed;
    const types = typesOf(schema, reader);
    if (values !== undefined) return this.#values(schema, values, types, place);
    return this.#anyOf(types.map((type) => this.#typed(type, reader, place)));
  }

  /** Values that are named, of those types. What else the schema says of them would have to be tried on each. */
  #values(schema: SchemaObject, values: readonly unknown[], types: readonly JsonType[], place: string): Items | null {
    const named = values.filter((value) => {
      const type = jsonTypeOf(value);
      return types.includes(type) || (type === 'integer' && types.includes('number'));
    });
    const subjects = new Set<string>(named.map((value) => jsonTypeOf(value)));
    if (subjects.has('integer')) subjects.add('number');
    for (const name of Object.keys(schema))
      if (isKeyword(name) && subjects.has(subjectOfKeyword(name))) this.#note(name, place, 'beside enum or const');
    return named.length === 0 ? null : this.#json.rules.oneOf(named.map((value) => JSON.stringify(value)));
  }

  #typed(type: JsonType, reader: Reader, place: string): Items | null {
    const onUnsupported = (keyword: string, detail?: string): void => this.#note(keyword, place, detail);
    const compile = (schema: Schema, at: string): Items | null => this.#value(schema, `${place}/${at}`);
    switch (type) {
      case 'string':
        return stringItems(this.#json, reader, onUnsupported);
      case 'integer':
      case 'number':
        return numberItems(this.#json, readRange(reader, type === 'integer'));
      case 'boolean':
        return this.#json.boolean;
      case 'null':
        return this.#json.value(null);
      case 'object':
        return objectItems(this.#json, reader, compile, onUnsupported);
      case 'array':
        return listItems(this.#json, reader, compile, onUnsupported);
    }
  }

  #note(keyword: string, place: string, detail = ''): void {
    if (this.#unsupported.size > maxNamed) return;
    const shown = JSON.stringify(keyword.slice(0, 60));
    this.#unsupported.add(`${shown}${detail === '' ? '' : ` ${detail}`} (at ${place.slice(0, 100)})`);
  }
}

/** The types that a schema names, else those that its keywords are about, else all. */
function typesOf(schema: SchemaObject, reader: Reader): readonly JsonType[] {
  const named = reader.types() ?? typesMeant(schema);
  return reader.flag('nullable') === true ? [...new Set([...named, 'null' as const])] : named;
}

function typesMeant(schema: SchemaObject): readonly JsonType[] {
  const every = jsonTypes.filter((type) => type !== 'integer');
  if (schema.enum !== undefined || schema.const !== undefined) return every;
  const subjects = Object.keys(schema).flatMap((name) => (isKeyword(name) ? [subjectOfKeyword(name)] : []));
  const meant = every.filter((type) => subjects.includes(type));
  return meant.length === 0 ? every : meant;
}

function namesOf(unsupported: readonly string[]): string {
  const named = unsupported.slice(0, maxNamed).join(', ');
  return `the schema asks for what is not supported: ${named}${unsupported.length > maxNamed ? ' and more' : ''}`;
}
