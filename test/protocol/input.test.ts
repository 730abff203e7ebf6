import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toHex } from '../../src/lib/bytes.ts';
import { BadInputError, decodeCbor, MalformedError } from '../../src/protocol/codec.ts';
import { requestDigestOf } from '../../src/protocol/digests.ts';
import { type JsonValue, parseJsonText } from '../../src/protocol/encoding/strict-json.ts';
import { ControlTexts, controlTextsOf, piecesOf } from '../../src/protocol/input/control-text.ts';
import { continuesLastMessage, cutRendering } from '../../src/protocol/input/prefill.ts';
import { templateValuesOf } from '../../src/protocol/input/template-values.ts';
import type { Input } from '../../src/protocol/messages.ts';
import { encodeInput, parseInput } from '../../src/protocol/validate.ts';
import { readVectors, readVectorText } from '../support/vectors.ts';

interface Vectors {
  readonly requests: readonly { input: Input; cbor: string; requestDigest: string }[];
  readonly bad: readonly { what: string; input: unknown }[];
  readonly numbers: { good: readonly string[]; bad: readonly string[] };
  readonly control: {
    tokens: readonly (readonly [text: string, type: number])[];
    stops: readonly number[];
    controlTexts: readonly string[];
  };
  readonly broken: readonly { text: string; broken: string }[];
  readonly values: readonly { input: Input }[];
  readonly forged: readonly { what: string; input: Input }[];
  readonly renderings: readonly { rendering: string; pieces: readonly string[] }[];
  readonly prefill: readonly {
    what: string;
    input: Input;
    goesOn: boolean;
    rendering?: string;
    cut?: string | null;
  }[];
}

const vectors = readVectors('input.json') as Vectors;
const controlTexts = new ControlTexts(vectors.control.controlTexts);
const plain: Input = {
  messages: [{ role: 'user', content: 'a' }],
  template: 'gguf',
  options: {},
  tools: null,
  date: null,
  continuation: [],
};

describe('section 2: the form of inputs', () => {
  for (const { input, cbor, requestDigest } of vectors.requests) {
    it(`requestDigest ${requestDigest.slice(0, 8)}`, () => {
      assert.equal(toHex(encodeInput(input)), cbor);
      assert.equal(toHex(requestDigestOf(input)), requestDigest);
      assert.deepEqual(parseInput(decodeCbor(encodeInput(input))), input);
    });
  }

  for (const { what, input } of vectors.bad)
    it(`refuses ${what}`, () => assert.throws(() => parseInput(input), MalformedError));

  for (const literal of vectors.numbers.good)
    it(`takes the number ${literal}`, () => assert.equal(parseJsonText(literal), Number(literal)));
  for (const literal of vectors.numbers.bad)
    it(`refuses the number ${literal}`, () => assert.throws(() => parseJsonText(literal), MalformedError));

  it('refuses deep nesting and many lists in a JSON text', () => {
    assert.throws(() => parseJsonText('['.repeat(100_000)), MalformedError);
    assert.throws(() => parseJsonText(`[${'[],'.repeat(1_000_000)}[]]`), MalformedError);
  });

  it('refuses tools of more than 1 MiB', () => {
    const tools = (length: number): unknown => ({
      ...plain,
      tools: `[{"type":"function","function":{"name":"f"}}${' '.repeat(length)}]`,
    });
    assert.ok(parseInput(tools(1_000_000)));
    assert.throws(() => parseInput(tools(1_048_576)), MalformedError);
  });

  it('takes options under names that every object inherits, and none that replaces a prototype', () => {
    const options = { enable_thinking: false, constructor: 'x', n: -3 };
    assert.deepEqual(parseInput({ ...plain, options }).options, options);
    assert.throws(() => parseInput({ ...plain, options: JSON.parse('{"__proto__":"a"}') as unknown }), MalformedError);
  });
});

describe('section 2: what a template gets', () => {
  it('knows the control texts', () => {
    const { tokens, stops, controlTexts: expected } = vectors.control;
    const texts = controlTextsOf(
      { size: tokens.length, textOf: (id) => tokens[id]?.[0] ?? null, typeOf: (id) => tokens[id]?.[1] ?? 0 },
      stops,
    );
    assert.deepEqual([...texts].sort(), [...expected].sort());
  });

  const withoutSingle = new ControlTexts(vectors.control.controlTexts.filter((text) => text !== '§'));
  for (const { text, broken } of vectors.broken)
    it(`breaks ${JSON.stringify(text)}`, () => {
      assert.equal(controlTexts.broken(text), broken);
      assert.equal(withoutSingle.broken(text), broken);
    });

  // The order of keys that look like numbers is lost by JSON.parse, so the expected values are read as text.
  const file = parseJsonText(readVectorText('input.json')) as ReadonlyMap<string, JsonValue>;
  const values = file.get('values') as readonly ReadonlyMap<string, JsonValue>[];
  for (const [at, { input }] of vectors.values.entries()) {
    it(`gives values, in the order of the input (${at})`, () => {
      const { messages, tools, options } = templateValuesOf(input, controlTexts);
      const expected = values[at]?.get('values') as ReadonlyMap<string, JsonValue>;
      const found = new Map<string, unknown>([['messages', messages]]);
      if (tools !== null) found.set('tools', tools);
      assert.deepEqual(written(found), written(withoutKey(expected, 'options')));
      assert.deepEqual(new Map(Object.entries(options)), expected.get('options'));
    });
  }

  for (const { what, input } of vectors.forged)
    it(`refuses ${what}`, () => {
      assert.ok(parseInput(input));
      assert.throws(() => templateValuesOf(input, controlTexts), BadInputError);
    });

  for (const { rendering, pieces } of vectors.renderings)
    it(`takes ${JSON.stringify(rendering)} apart`, () => assert.deepEqual(piecesOf(rendering), pieces));

  for (const { what, input, goesOn, rendering = '', cut = null } of vectors.prefill) {
    it(`goes on with the last message: ${what}`, () => {
      assert.equal(continuesLastMessage(input), goesOn);
      if (!goesOn) return;
      if (cut === null) assert.throws(() => cutRendering(rendering, input, controlTexts), BadInputError);
      else assert.equal(cutRendering(rendering, input, controlTexts), cut);
    });
  }

  it('finds control texts in time linear in the text', () => {
    const text = '<|im_'.repeat(200_000);
    assert.equal(controlTexts.broken(text), text);
    const begun = { ...plain, messages: [{ role: 'assistant', content: `${' '.repeat(1_000_000)}x` }] };
    assert.equal(cutRendering(begun.messages[0]?.content ?? '', begun, controlTexts).length, 1_000_001);
  });
});

function withoutKey(map: ReadonlyMap<string, JsonValue>, key: string): ReadonlyMap<string, JsonValue> {
  return new Map([...map].filter(([name]) => name !== key));
}

/** A value as text with the order of its keys. */
function written(value: unknown): string {
  if (value instanceof Map)
    return `{${[...value].map(([key, item]) => `${JSON.stringify(key)}:${written(item)}`).join()}}`;
  if (Array.isArray(value)) return `[${value.map(written).join()}]`;
  return JSON.stringify(value);
}
