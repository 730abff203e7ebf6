import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BadInputError } from '../../../src/protocol/codec.ts';
import { grammarOfJson, grammarOfJsonSchema } from '../../../src/protocol/grammar/compile/json-schema.ts';
import { isInLanguage, randomFrom, randomText } from '../../support/grammars.ts';
import { fitsSchema } from '../../support/json-schema.ts';

interface Case {
  readonly schema: unknown;
  readonly yes: readonly string[];
  readonly no: readonly string[];
}

const person = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'integer' }, mail: { type: ['string', 'null'] } },
  required: ['name', 'mail'],
};
const list = {
  $defs: { node: { type: 'object', properties: { next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } } } },
  $ref: '#/$defs/node',
};

const cases: Readonly<Record<string, Case>> = {
  'properties, in their order': {
    schema: person,
    yes: ['{"name":"a","mail":null}', '{"name":"","age":-3,"mail":"x"}', '{ "name" : "a" ,\n\t"mail": null\n}'],
    no: [
      '{}',
      '{"name":"a"}',
      '{"mail":null,"name":"a"}',
      '{"name":"a","mail":null,"x":1}',
      '{"name":"a","mail":null,}',
    ],
  },
  'properties that may be left out': {
    schema: { properties: { a: { const: 1 }, b: { const: 2 }, c: { const: 3 } } },
    yes: ['{}', '{"a":1}', '{"b":2}', '{"a":1,"c":3}', '{"a":1,"b":2,"c":3}'],
    no: ['{,}', '{"a":1,}', '{"c":3,"a":1}', '{"a":1 "b":2}', '{"a":2}'],
  },
  'further properties, with other names': {
    schema: { properties: { ab: { type: 'null' } }, required: ['ab'], additionalProperties: { type: 'integer' } },
    yes: ['{"ab":null}', '{"ab":null,"a":1}', '{"ab":null,"abc":1,"":2}'],
    no: ['{"ab":null,"ab":1}', '{"ab":null,"x":null}', '{"ab":null,"\\u0061b":1}', '{"a":1}'],
  },
  'a property that must come and is not listed': {
    schema: { type: 'object', required: ['a'], additionalProperties: { type: 'string' } },
    yes: ['{"a":"b"}', '{"a":"b","c":"d"}'],
    no: ['{}', '{"a":1}', '{"a":"b","c":1}'],
  },
  'whole numbers between the bounds of a type': {
    schema: { type: 'integer', minimum: -9_007_199_254_740_991, maximum: 2 ** 64 },
    yes: ['0', '-7', '999999999999999'],
    no: ['0.5', '01', '"1"'],
  },
  'a type that one of two parts widens to null': {
    schema: { allOf: [{ type: 'string', nullable: true }, { type: 'string' }] },
    yes: ['"a"'],
    no: ['null'],
  },
  'a type that both parts widen to null': {
    schema: { allOf: [{ type: 'string', nullable: true }, { type: ['string', 'null'] }] },
    yes: ['"a"', 'null'],
    no: ['1'],
  },
  'bounds that draft 4 excludes, in two parts': {
    schema: {
      allOf: [
        { type: 'integer', minimum: 0, exclusiveMinimum: true, maximum: 10, exclusiveMaximum: true },
        { type: 'integer', minimum: 3, exclusiveMinimum: false, maximum: 20, exclusiveMaximum: false },
      ],
    },
    yes: ['3', '9'],
    no: ['0', '2', '10', '-1'],
  },
  'a listed value that is a constant': { schema: { const: 'b', enum: ['a', 'b'] }, yes: ['"b"'], no: ['"a"'] },
  'an object of any names': {
    schema: { type: 'object', additionalProperties: { type: 'boolean' }, minProperties: 1, maxProperties: 2 },
    yes: ['{"a":true}', '{"a":true,"b":false}'],
    no: ['{}', '{"a":1}', '{"a":true,"b":false,"c":true}'],
  },
  'names of a pattern': {
    schema: { type: 'object', patternProperties: { '^x-': { type: 'integer' } }, additionalProperties: false },
    yes: ['{}', '{"x-a":1}'],
    no: ['{"a":1}', '{"x-a":"1"}'],
  },
  'names that are listed': {
    schema: { type: 'object', propertyNames: { enum: ['p', 'q'] }, additionalProperties: { type: 'integer' } },
    yes: ['{"p":1}', '{"q":1,"p":2}'],
    no: ['{"r":1}'],
  },
  'any object at all': {
    schema: { type: 'object' },
    yes: ['{}', '{"a":[1,{"b":null}],"c":"d"}'],
    no: ['[]', '"a"', 'null', '{"a"}', '{a:1}'],
  },
  'an object without properties': { schema: { type: 'object', properties: {} }, yes: ['{}', '{ }'], no: ['{"a":1}'] },
  lists: {
    schema: { type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 },
    yes: ['[1]', '[1, 2]', '[1,2,3]'],
    no: ['[]', '[1,2,3,4]', '["1"]', '[1,]'],
  },
  'lists by place': {
    schema: {
      prefixItems: [{ type: 'integer' }, { type: 'boolean' }],
      items: { type: 'null' },
      minItems: 1,
      maxItems: 4,
    },
    yes: ['[1]', '[1,true]', '[1,true,null]', '[1,true,null,null]'],
    no: ['[]', '[true]', '[1,2]', '[1,true,3]', '[1,true,null,null,null]'],
  },
  'a pair, as draft 7 writes it': {
    schema: { type: 'array', items: [{ type: 'string' }, { type: 'integer' }], additionalItems: false, minItems: 2 },
    yes: ['["a",1]'],
    no: ['["a"]', '["a",1,2]', '[1,"a"]'],
  },
  'a list of nothing': { schema: { type: 'array', items: false }, yes: ['[]', '[ ]'], no: ['[1]'] },
  strings: {
    schema: { type: 'string', minLength: 2, maxLength: 3 },
    yes: ['"ab"', '"a\\n"', '"éß€"', '"\\u00e9\\ud83d\\ude00"', '"🙂🙂"', '"a\\/b"'],
    no: ['"a"', '"abcd"', '"🙂"', '"\\ud83da"', '"\\ude00a"', '"a\nb"', '"a\\x"', 'ab'],
  },
  'strings as long as Java has them': {
    schema: { type: 'string', maxLength: 2 ** 31 - 1 },
    yes: ['""', '"abc"'],
    no: ['1'],
  },
  'strings as long as can be counted': {
    schema: { type: 'string', maxLength: Number.MAX_SAFE_INTEGER },
    yes: ['""', '"abc"'],
    no: ['1'],
  },
  'strings longer than any': { schema: { type: 'string', minLength: 2 ** 32 }, yes: [], no: ['""', '"abc"'] },
  'a pattern, anywhere in the text': {
    schema: { type: 'string', pattern: '\\d{2}' },
    yes: ['"12"', '"a12b"', '"123"', '"\\"12"'],
    no: ['"1"', '"1a2"', '""'],
  },
  'a pattern of the whole text': {
    schema: { type: 'string', pattern: '^(\\w+)[ "]\\d$', minLength: 3 },
    yes: ['"ab 1"', '"a\\"1"'],
    no: ['"ab 12"', '" 1"', '"a"1"'],
  },
  dates: {
    schema: { type: 'string', format: 'date-time' },
    yes: ['"2024-02-28T23:59:59Z"', '"1999-12-31T00:00:00.5+01:00"'],
    no: ['"2024-02-30T00:00:00Z"', '"2024-13-01T00:00:00Z"', '"2024-01-01"', '"2024-01-01T25:00:00Z"'],
  },
  durations: {
    schema: { type: 'string', format: 'duration' },
    yes: ['"P1DT2H"', '"PT5M"', '"P3W"'],
    no: ['"P"', '"PT"', '"P1H"'],
  },
  uuids: {
    schema: { type: 'string', format: 'uuid' },
    yes: ['"123e4567-e89b-12d3-a456-426614174000"'],
    no: ['"123e4567e89b12d3a456426614174000"'],
  },
  addresses: {
    schema: { type: 'string', format: 'ipv4' },
    yes: ['"10.0.255.1"'],
    no: ['"10.0.256.1"', '"1.2.3"', '"01.2.3.4"'],
  },
  mail: {
    schema: { type: 'string', format: 'email' },
    yes: ['"a.b@c-d.example"'],
    no: ['"a@b"', '"@b.cc"', '"a b@c.de"'],
  },
  links: {
    schema: { type: 'string', format: 'uri' },
    yes: ['"https://a.example/b?c=d"'],
    no: ['"a.example"', '"https://"'],
  },
  'whole numbers': {
    schema: { type: 'integer' },
    yes: ['0', '-12', '999999999999999'],
    no: ['1.5', '01', '1e3', '+1', '9999999999999999'],
  },
  numbers: { schema: { type: 'number' }, yes: ['0', '-1.50', '1e-3', '2.5E+10'], no: ['.5', '1.', '1e', '0x1', 'NaN'] },
  'numbers between bounds': {
    schema: { type: 'number', minimum: -0.5, exclusiveMaximum: 10.25 },
    yes: ['0', '-0.5', '-0.49', '10', '10.2', '10.2499', '3.75'],
    no: ['-0.51', '-1', '10.25', '10.3', '11', '1e1'],
  },
  'whole numbers between bounds': {
    schema: { type: 'integer', exclusiveMinimum: -11, maximum: 205 },
    yes: ['-10', '0', '9', '99', '205'],
    no: ['-11', '206', '1000', '1.0'],
  },
  'amounts of money': {
    schema: { type: 'number', minimum: 0, multipleOf: 0.01 },
    yes: ['0', '3.5', '12.99'],
    no: ['1.005', '-1'],
  },
  'values that are named': {
    schema: { enum: ['a"b', 1, null, { x: [1] }, 'é'] },
    yes: ['"a\\"b"', '1', 'null', '{"x":[1]}', '"é"'],
    no: ['"a', '2', '{"x":[2]}'],
  },
  'named values of a type': { schema: { type: 'string', enum: ['a', 1] }, yes: ['"a"'], no: ['1'] },
  'one value': { schema: { const: 'x' }, yes: ['"x"'], no: ['"y"', 'x'] },
  alternatives: {
    schema: { anyOf: [{ type: 'integer' }, { type: 'string', maxLength: 1 }] },
    yes: ['1', '"a"'],
    no: ['"ab"', 'true'],
  },
  'alternatives with what they share': {
    schema: {
      type: 'object',
      properties: { kind: { type: 'string' } },
      required: ['kind'],
      oneOf: [
        { properties: { kind: { const: 'a' }, x: { type: 'integer' } }, required: ['x'] },
        { properties: { kind: { const: 'b' } } },
      ],
    },
    yes: ['{"kind":"a","x":1}', '{"kind":"b"}'],
    no: ['{"kind":"a"}', '{"kind":"c"}', '{"kind":"b","x":1}'],
  },
  'all of several': {
    schema: {
      allOf: [
        { type: 'object', properties: { a: { type: 'number' } }, required: ['a'] },
        { $ref: '#/$defs/more' },
        { properties: { a: { minimum: 3, maximum: 4 } } },
      ],
      $defs: { more: { properties: { b: { type: 'string' } }, required: ['b'] } },
    },
    yes: ['{"a":3.5,"b":""}'],
    no: ['{"a":5,"b":""}', '{"a":3}'],
  },
  'closed objects together': {
    schema: {
      allOf: [
        { properties: { a: { type: 'integer' } }, additionalProperties: false },
        { properties: { a: { minimum: 0, maximum: 1 }, b: { type: 'integer' } } },
      ],
    },
    yes: ['{}', '{"a":1}'],
    no: ['{"a":2}', '{"b":1}'],
  },
  'a part that holds itself': {
    schema: list,
    yes: ['{}', '{"next":null}', '{"next":{"next":{}}}'],
    no: ['{"next":1}'],
  },
  'the whole within itself': {
    schema: { type: 'array', items: { $ref: '#' } },
    yes: ['[]', '[[],[[]]]'],
    no: ['[1]', '[[]'],
  },
  'null as OpenAPI writes it': { schema: { type: 'integer', nullable: true }, yes: ['1', 'null'], no: ['"a"'] },
  'keywords without a type': { schema: { maxLength: 1 }, yes: ['"a"'], no: ['"ab"'] },
  anything: { schema: {}, yes: ['1', '"a"', '[{}]', 'null', '{"a":[true,false]}'], no: ['', 'undefined', "'a'"] },
  'notes beside it': {
    schema: { title: 'T', description: 'D', default: 3, examples: [1], type: 'null' },
    yes: ['null'],
    no: ['1'],
  },
};

describe('a JSON schema as a grammar', () => {
  for (const [what, { schema, yes, no }] of Object.entries(cases)) {
    it(`takes ${what}`, () => {
      const rules = grammarOfJsonSchema(schema);
      for (const text of yes) assert.ok(isInLanguage(rules, text), text);
      for (const text of no) assert.ok(!isInLanguage(rules, text), text);
    });
  }

  it('is any object in JSON mode', () => {
    const rules = grammarOfJson();
    for (const text of ['{}', '{"a": [1, {"b": null}]}', '{\n  "a": {\n    "b": "c"\n  }\n}'])
      assert.ok(isInLanguage(rules, text), text);
    for (const text of ['[]', '1', '{"a"}', '{} ', '']) assert.ok(!isInLanguage(rules, text), text);
  });
});

/** As many texts as asked for, with commas between. */
function listOf(count: number, textOf: (at: number) => string): string {
  return Array.from({ length: count }, (_, at) => textOf(at)).join(',');
}

/** Schemas of less than 64 KiB that took seconds, or memory without end. */
const bombs: Readonly<Record<string, readonly [schema: string, expected: RegExp]>> = {
  'alternatives that are multiplied': [
    `{"allOf":[{"anyOf":[${listOf(6_000, () => '{}')}]},{"anyOf":[${listOf(6_000, () => 'true')}]}]}`,
    /"anyOf" twice for the same part/,
  ],
  'many properties, merged again and again': [
    `{"$defs":{"a":{"properties":{${listOf(3_500, (at) => `"${at}":{}`)}}}},
      "allOf":[${listOf(1_000, () => '{"$ref":"#/$defs/a"}')}]}`,
    /costs too much to compile/,
  ],
  'a long list of parts that doubles': [
    JSON.stringify({
      $defs: Object.fromEntries(
        Array.from({ length: 40 }, (_, at) => {
          const [a, b] = [{ $ref: `#/$defs/a${at + 1}` }, { $ref: `#/$defs/b${at + 1}` }];
          return [
            [`a${at}`, { allOf: [a, b] }],
            [`b${at}`, { allOf: [b, a] }],
          ];
        }).flat(),
      ),
      $ref: '#/$defs/a0',
    }),
    /costs too much to compile/,
  ],
  'properties in each of many alternatives': [
    `{"anyOf":[${listOf(3_000, (at) => `{"minimum":${at}}`)}],"properties":{${listOf(1_500, (at) => `"${at}":{}`)}}}`,
    /costs too much to compile/,
  ],
  'many items by place': [
    `{"type":"array","prefixItems":[${listOf(13_000, () => 'true')}]}`,
    /more than the 4096 rules/,
  ],
  'many items by place that must come': [
    `{"type":"array","prefixItems":[${listOf(13_000, () => 'true')}],"minItems":13000}`,
    /at most 65536 bytes/,
  ],
};

const refusals: Readonly<Record<string, readonly [schema: unknown, expected: RegExp]>> = {
  'an unknown keyword': [{ type: 'object', properties: { a: { not: {} } } }, /"not" \(at #\/properties\/a\)/],
  'all unknown keywords at once': [
    { type: 'object', if: {}, dependentRequired: {}, properties: { a: { $dynamicRef: '#' } } },
    /"if" \(at #\), "dependentRequired" \(at #\), "\$dynamicRef" \(at #\/properties\/a\)/,
  ],
  'many unknown keywords': [
    Object.fromEntries(Array.from({ length: 50 }, (_, at) => [`k${at}`, 1])),
    /"k9".* and more$/,
  ],
  'unique items': [{ type: 'array', uniqueItems: true }, /"uniqueItems"/],
  'an unknown format': [{ type: 'string', format: 'emoji' }, /"format" "emoji"/],
  'an unknown type': [{ type: 'text' }, /"type" at #: expected one of/],
  'a pattern that looks around': [{ type: 'string', pattern: '(?=a)b' }, /pattern has "\(\?=" at 0/],
  'a length that a pattern may break': [
    { type: 'string', pattern: 'a+', maxLength: 4 },
    /"maxLength" beside a pattern/,
  ],
  'more to say of a value that is named': [{ enum: ['a', 'bc'], minLength: 2 }, /"minLength" beside enum/],
  'a multiple of 7': [{ type: 'integer', multipleOf: 7 }, /"multipleOf" at #: expected 1, 0.1/],
  'a value that its own list lacks': [{ const: 'c', enum: ['a', 'b'] }, /no value fits the schema/],
  'a property that must come and must not': [
    { type: 'object', properties: {}, required: ['a'], additionalProperties: false },
    /no value fits the schema/,
  ],
  'names beside properties': [
    { type: 'object', properties: { a: {} }, propertyNames: { pattern: '^b' } },
    /"propertyNames" beside other properties/,
  ],
  'names beside a pattern of names': [
    { type: 'object', patternProperties: { a: {} }, additionalProperties: false, propertyNames: { maxLength: 1 } },
    /"propertyNames" beside other properties/,
  ],
  'items of one part beside places of the other': [
    { allOf: [{ prefixItems: [{ type: 'integer' }], items: true }, { items: { type: 'string' } }] },
    /"items" twice for the same part/,
  ],
  'places in two forms': [
    { allOf: [{ items: [{ type: 'integer' }] }, { prefixItems: [{ type: 'string' }] }] },
    /"prefixItems" twice for the same part/,
  ],
  'a keyword that every object has': [{ allOf: [{ valueOf: 1 }] }, /"valueOf" \(at #\)/],
  'a keyword that is the prototype': [JSON.parse('{"allOf":[{"__proto__":{"a":1}}]}'), /"__proto__" \(at #\)/],
  'a bound of 16 digits': [{ type: 'number', maximum: 0.1234567890123456 }, /more than 15 digits/],
  'two patterns for one text': [{ allOf: [{ pattern: 'a' }, { pattern: 'b' }] }, /"pattern" twice for the same part/],
  'a reference to nothing': [{ $ref: '#/$defs/x' }, /there is no "#\/\$defs\/x"/],
  'a reference to elsewhere': [{ $ref: 'https://example.com/a.json' }, /there is no "https/],
  'a reference to itself': [
    { $defs: { a: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' },
    /"#\/\$defs\/a" names only itself/,
  ],
  'an object within itself without end': [
    { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] },
    /derives no text/,
  ],
  'an alternative that is the whole': [{ anyOf: [{ $ref: '#' }, { type: 'null' }] }, /part # is left-recursive/],
  'what no value fits': [{ type: 'integer', minimum: 4, maximum: 3 }, /no value fits the schema/],
  nothing: [false, /no value fits the schema/],
  'no schema': ['object', /not a JSON object/],
  'a keyword of another form': [{ type: 'string', maxLength: '3' }, /"maxLength" at #: expected a whole number/],
  'a schema of 64 KiB': [{ enum: ['x'.repeat(66_000)] }, /66\d\d\d bytes, at most 65536/],
  'a grammar of 64 KiB': [{ enum: ['x'.repeat(60_000)] }, /at most 65536 bytes/],
  'more rules than a grammar has': [
    { anyOf: Array.from({ length: 2_500 }, (_, at) => ({ maxItems: 5 + at })) },
    /more than the 4096 rules/,
  ],
};

describe('a JSON schema is refused in one line', () => {
  for (const [what, [schema, expected]] of Object.entries(refusals)) {
    it(`for ${what}`, () => {
      assert.throws(
        () => grammarOfJsonSchema(schema),
        (error) => error instanceof BadInputError && expected.test(error.message) && !error.message.includes('\n'),
      );
    });
  }

  for (const [what, [schema, expected]] of Object.entries(bombs)) {
    it(`soon, for ${what}`, () => {
      assert.ok(schema.length < 65_536);
      assert.throws(
        () => grammarOfJsonSchema(JSON.parse(schema)),
        (error) => error instanceof BadInputError && expected.test(error.message),
      );
    });
  }

  it('if it is nested 100,000 deep', () => {
    let schema: unknown = true;
    for (let at = 0; at < 100_000; at++) schema = { items: schema };
    assert.throws(() => grammarOfJsonSchema(schema), /nested more than 128 deep/);
  });

  it('if its parts double with each reference', () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 60 }, (_, at) => [
        `d${at}`,
        { allOf: [{ $ref: `#/$defs/d${at + 1}` }, { $ref: `#/$defs/d${at + 1}` }], [`title${at}`]: 1 },
      ]),
    );
    assert.throws(() => grammarOfJsonSchema({ $defs: { ...$defs, d60: {} }, $ref: '#/$defs/d0' }), BadInputError);
  });
});

/** Schemas whose texts are short enough for a walk to end. */
const schemas = fc.letrec<{ schema: unknown }>((tie) => ({
  schema: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ type: fc.constant('string'), maxLength: fc.nat(6) }),
    fc.record({
      type: fc.constant('string'),
      pattern: fc.constantFrom('^[a-f]{1,4}$', '^x$|^"y\\n$', '^\\d{1,3}-\\w?$'),
    }),
    fc.constantFrom<unknown>(
      ...[{ type: 'boolean' }, { type: 'null' }, { enum: ['a', 7, null] }, { const: { k: [1, 'v'] } }],
    ),
    fc
      .tuple(fc.integer({ min: -2_000, max: 2_000 }), fc.nat(3_000), fc.constantFrom(1, 4, 10), fc.boolean())
      .map(([low, size, divisor, isWhole]) => ({
        type: isWhole ? 'integer' : 'number',
        [size % 2 === 0 ? 'minimum' : 'exclusiveMinimum']: low / divisor,
        maximum: Number((low / divisor + size + 2).toFixed(3)),
      })),
    fc
      .tuple(tie('schema'), fc.nat(2), fc.nat(2))
      .map(([items, min, more]) => ({ type: 'array', items, minItems: min, maxItems: min + more })),
    fc
      .tuple(
        fc.uniqueArray(fc.constantFrom('a', 'b', 'c d', 'é', '"'), { maxLength: 4 }),
        fc.array(tie('schema')),
        fc.nat(15),
      )
      .map(([names, parts, required]) => ({
        type: 'object',
        properties: Object.fromEntries(names.map((name, at) => [name, parts[at] ?? { type: 'null' }])),
        required: names.filter((_, at) => (required >> at) % 2 === 1),
        ...(required % 3 === 0 ? { additionalProperties: parts.at(-1) ?? false } : {}),
      })),
    fc.tuple(tie('schema'), tie('schema')).map((anyOf) => ({ anyOf })),
  ),
}));

describe('texts drawn from the grammar of a schema', () => {
  it('always end, are JSON, and fit the schema', () => {
    let drawn = 0;
    fc.assert(
      fc.property(schemas.schema, fc.nat(), (schema, seed) => {
        const rules = grammarOfJsonSchema(schema);
        const random = randomFrom(seed);
        for (let at = 0; at < 3; at++) {
          const text = randomText(rules, random);
          assert.ok(fitsSchema(JSON.parse(text), schema), `${text} of ${JSON.stringify(schema)}`);
          drawn++;
        }
      }),
      { seed: 7, numRuns: 200 },
    );
    assert.equal(drawn, 600);
  });

  it('hold a number exactly if it is between the bounds', () => {
    const decimals = fc.tuple(fc.integer({ min: -40_000, max: 40_000 }), fc.constantFrom(1, 10, 100, 1_000));
    fc.assert(
      fc.property(
        decimals,
        fc.nat(60_000),
        fc.boolean(),
        fc.array(decimals, { minLength: 20, maxLength: 20 }),
        (from, size, isOpen, tried) => {
          const low = from[0] / from[1];
          const high = Number((low + size / from[1]).toFixed(3));
          const schema = isOpen
            ? { type: 'number', exclusiveMinimum: low, exclusiveMaximum: high }
            : { type: 'number', minimum: low, maximum: high };
          const values = [low, high, (low + high) / 2, ...tried.map(([value, divisor]) => value / divisor)];
          const isEmpty = isOpen && low === high;
          if (isEmpty) return assert.throws(() => grammarOfJsonSchema(schema), /no value fits/);
          const rules = grammarOfJsonSchema(schema);
          for (const value of values.map((each) => Number(each.toFixed(4))))
            assert.equal(
              isInLanguage(rules, String(value)),
              fitsSchema(value, schema),
              `${value} in ${JSON.stringify(schema)}`,
            );
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });
});
