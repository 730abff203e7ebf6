import { BadInputError } from '../../../encoding/malformed-error.ts';

/** A JSON schema as it came: an object, or true for any value, or false for none. */
export type Schema = boolean | SchemaObject;
export type SchemaObject = Readonly<Record<string, unknown>>;

export const jsonTypes = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'] as const;
export type JsonType = (typeof jsonTypes)[number];

/** What a keyword says something about; `any` for every value, `note` for none. */
const keywordSubjects = {
  $ref: 'any',
  allOf: 'any',
  anyOf: 'any',
  oneOf: 'any',
  type: 'any',
  nullable: 'any',
  enum: 'any',
  const: 'any',
  properties: 'object',
  required: 'object',
  additionalProperties: 'object',
  patternProperties: 'object',
  propertyNames: 'object',
  minProperties: 'object',
  maxProperties: 'object',
  items: 'array',
  prefixItems: 'array',
  additionalItems: 'array',
  minItems: 'array',
  maxItems: 'array',
  uniqueItems: 'array',
  minLength: 'string',
  maxLength: 'string',
  pattern: 'string',
  format: 'string',
  minimum: 'number',
  maximum: 'number',
  exclusiveMinimum: 'number',
  exclusiveMaximum: 'number',
  multipleOf: 'number',
  $defs: 'note',
  definitions: 'note',
  $schema: 'note',
  $id: 'note',
  id: 'note',
  $comment: 'note',
  title: 'note',
  description: 'note',
  default: 'note',
  examples: 'note',
  example: 'note',
  deprecated: 'note',
  readOnly: 'note',
  writeOnly: 'note',
  contentMediaType: 'note',
  contentEncoding: 'note',
  discriminator: 'note',
} as const satisfies Readonly<Record<string, JsonType | 'any' | 'note'>>;

export type Keyword = keyof typeof keywordSubjects;

export function isKeyword(name: string): name is Keyword {
  return Object.hasOwn(keywordSubjects, name);
}

export function subjectOfKeyword(keyword: Keyword): JsonType | 'any' | 'note' {
  return keywordSubjects[keyword];
}

/** Whether a keyword says nothing about values, so that it may stand beside any other. */
export function isNote(name: string): boolean {
  return isKeyword(name) && keywordSubjects[name] === 'note';
}

/** The keywords of a schema that say something about values. */
export function withoutNotes(schema: SchemaObject): SchemaObject {
  return Object.fromEntries(Object.entries(schema).filter(([name]) => !isNote(name)));
}

/** The value's JSON type; a whole number is an `integer`, which is a `number`, too. */
export function jsonTypeOf(value: unknown): JsonType {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value as JsonType;
}

/** Reads a keyword's value; undefined if it is absent. @throws BadInputError for a value of another form */
export class Reader {
  readonly #schema: SchemaObject;
  readonly #path: string;

  constructor(schema: SchemaObject, path: string) {
    this.#schema = schema;
    this.#path = path;
  }

  has(keyword: Keyword): boolean {
    return this.#schema[keyword] !== undefined;
  }

  raw(keyword: Keyword): unknown {
    return this.#schema[keyword];
  }

  text(keyword: Keyword): string | undefined {
    return this.#read(keyword, (value) => typeof value === 'string', 'a text');
  }

  number(keyword: Keyword): number | undefined {
    return this.#read(keyword, (value) => typeof value === 'number' && Number.isFinite(value), 'a number');
  }

  /** A length or number of items; one that no text here reaches is as good as none. */
  count(keyword: Keyword): number | undefined {
    return this.#read(keyword, (value) => Number.isSafeInteger(value) && (value as number) >= 0, 'a whole number');
  }

  flag(keyword: Keyword): boolean | undefined {
    return this.#read(keyword, (value) => typeof value === 'boolean', 'true or false');
  }

  schema(keyword: Keyword): Schema | undefined {
    return this.#read(keyword, isSchema, 'a schema');
  }

  schemas(keyword: Keyword): readonly Schema[] | undefined {
    const isList = (value: unknown): boolean => Array.isArray(value) && value.length > 0 && value.every(isSchema);
    return this.#read(keyword, isList, 'a list of schemas');
  }

  values(keyword: Keyword): readonly unknown[] | undefined {
    return this.#read(keyword, (value) => Array.isArray(value) && value.length > 0, 'a list of values');
  }

  texts(keyword: Keyword): readonly string[] | undefined {
    const isList = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string');
    return this.#read(keyword, isList, 'a list of texts');
  }

  named(keyword: Keyword): Readonly<Record<string, Schema>> | undefined {
    const isMap = (value: unknown): boolean => isObject(value) && Object.values(value).every(isSchema);
    return this.#read(keyword, isMap, 'an object of schemas');
  }

  types(): readonly JsonType[] | undefined {
    const value = this.#schema.type;
    if (value === undefined) return undefined;
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    const types = list.filter((each): each is JsonType => jsonTypes.some((type) => type === each));
    if (types.length < list.length) throw this.bad('type', `one of ${jsonTypes.join(', ')}`);
    return types;
  }

  bad(keyword: Keyword, expected: string): BadInputError {
    return new BadInputError(`the schema's "${keyword}" at ${this.#path}: expected ${expected}`);
  }

  #read<Value>(keyword: Keyword, isValid: (value: unknown) => boolean, expected: string): Value | undefined {
    const value = this.#schema[keyword];
    if (value === undefined) return undefined;
    if (!isValid(value)) throw this.bad(keyword, expected);
    return value as Value;
  }
}

export function isObject(value: unknown): value is SchemaObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'boolean' || isObject(value);
}
