/** Whether a JSON value fits a schema: plainly written, for the keywords that are compiled to grammars. */
export function fitsSchema(value: unknown, schema: unknown, root: unknown = schema): boolean {
  if (typeof schema === 'boolean') return schema;
  const said = schema as Readonly<Record<string, unknown>>;
  return Object.entries(said).every(([keyword, of]) => tests[keyword]?.(value, of, root, said) ?? true);
}

type Test = (value: unknown, of: unknown, root: unknown, said: Readonly<Record<string, unknown>>) => boolean;

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const forNumbers =
  (test: (value: number, of: number) => boolean): Test =>
  (value, of) =>
    typeof value !== 'number' || typeof of !== 'number' || test(value, of);
const forStrings =
  (test: (value: string, of: never) => boolean): Test =>
  (value, of) =>
    typeof value !== 'string' || test(value, of as never);
const forLists =
  (test: (value: readonly unknown[], of: never, root: unknown, said: Fields) => boolean): Test =>
  (value, of, root, said) =>
    !Array.isArray(value) || test(value as readonly unknown[], of as never, root, said);
const forObjects =
  (test: (value: Fields, of: never, root: unknown, said: Fields) => boolean): Test =>
  (value, of, root, said) =>
    !isFields(value) || test(value, of as never, root, said);

const tests: Readonly<Record<string, Test>> = {
  type: (value, of) => (Array.isArray(of) ? of : [of]).some((type) => isOfType(value, type)),
  enum: (value, of) => (of as readonly unknown[]).some((each) => isSame(value, each)),
  const: (value, of) => isSame(value, of),
  $ref: (value, of, root) => fitsSchema(value, find(root, of as string), root),
  allOf: (value, of, root) => (of as readonly unknown[]).every((each) => fitsSchema(value, each, root)),
  anyOf: (value, of, root) => (of as readonly unknown[]).some((each) => fitsSchema(value, each, root)),
  minimum: forNumbers((value, of) => value >= of),
  maximum: forNumbers((value, of) => value <= of),
  exclusiveMinimum: forNumbers((value, of) => value > of),
  exclusiveMaximum: forNumbers((value, of) => value < of),
  minLength: forStrings((value, of: number) => [...value].length >= of),
  maxLength: forStrings((value, of: number) => [...value].length <= of),
  pattern: forStrings((value, of: string) => new RegExp(of, 'u').test(value)),
  minItems: forLists((value, of: number) => value.length >= of),
  maxItems: forLists((value, of: number) => value.length <= of),
  prefixItems: forLists((value, of: readonly unknown[], root) =>
    of.every((each, at) => at >= value.length || fitsSchema(value[at], each, root)),
  ),
  items: forLists((value, of, root, said) =>
    value
      .slice((said.prefixItems as readonly unknown[] | undefined)?.length ?? 0)
      .every((each) => fitsSchema(each, of, root)),
  ),
  required: forObjects((value, of: readonly string[]) => of.every((name) => Object.hasOwn(value, name))),
  properties: forObjects((value, of: Fields, root) =>
    Object.entries(of).every(([name, each]) => !Object.hasOwn(value, name) || fitsSchema(value[name], each, root)),
  ),
  additionalProperties: forObjects((value, of, root, said) =>
    Object.entries(value).every(
      ([name, each]) =>
        Object.hasOwn((said.properties as Fields | undefined) ?? {}, name) || fitsSchema(each, of, root),
    ),
  ),
};

function isOfType(value: unknown, type: unknown): boolean {
  switch (type) {
    case 'object':
      return isFields(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return typeof value === 'number' && Number.isInteger(value);
    case 'null':
      return value === null;
    default:
      return typeof value === type;
  }
}

function find(root: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .reduce((at, key) => (at as Fields)[key], root);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
