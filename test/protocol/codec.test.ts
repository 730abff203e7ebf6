import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, toHex } from '../../src/lib/bytes.ts';
import { decodeCbor, encodeCbor, MalformedError } from '../../src/protocol/codec.ts';
import { sha256 } from '../../src/protocol/digests.ts';
import type { Card, Input, Offer } from '../../src/protocol/messages.ts';
import * as validate from '../../src/protocol/validate.ts';
import { readVectors, withBytes } from '../support/vectors.ts';

interface Vectors {
  readonly messages: readonly { kind: string; value: unknown; cbor: string; sha: string }[];
  readonly values: readonly { value: unknown; cbor: string }[];
  readonly bad: readonly { what: string; cbor: string }[];
  readonly badMessages: readonly { kind: string; what: string; cbor: string }[];
}

const vectors = readVectors('cbor.json') as Vectors;

interface MessageCodec {
  encode(message: never): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

const codecs: Readonly<Record<string, MessageCodec>> = {
  'qvac/card/1': { encode: validate.encodeCard, decode: validate.decodeCard },
  'qvac/quote/1': { encode: validate.encodeQuote, decode: validate.decodeQuote },
  'qvac/offer/1': { encode: validate.encodeOffer, decode: validate.decodeOffer },
  'qvac/cancel/1': { encode: validate.encodeCancel, decode: validate.decodeCancel },
  'qvac/open/1': { encode: validate.encodeOpening, decode: validate.decodeOpening },
  'qvac/verdict/1': { encode: validate.encodeVerdict, decode: validate.decodeVerdict },
};

function codecOf(kind: string): MessageCodec {
  const codec = codecs[kind];
  assert.ok(codec !== undefined, kind);
  return codec;
}

describe('section 1: the one encoding', () => {
  for (const { value, cbor } of vectors.values) {
    it(`encodes and decodes ${JSON.stringify(value).slice(0, 40)}`, () => {
      assert.equal(toHex(encodeCbor(withBytes(value))), cbor);
      assert.deepEqual(decodeCbor(fromHex(cbor)), withBytes(value));
    });
  }

  for (const { what, cbor } of vectors.bad) {
    it(`refuses ${what}: ${cbor}`, () => {
      assert.throws(() => decodeCbor(fromHex(cbor)), MalformedError);
    });
  }

  it('decodes only what encodes to the same bytes again', () => {
    const almostCbor = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.jsonValue({ maxDepth: 3 }).map((value) => mutated(encodeCbor(value))),
    );
    fc.assert(
      fc.property(almostCbor, (bytes) => {
        let value: unknown;
        try {
          value = decodeCbor(bytes);
        } catch (error) {
          assert.ok(error instanceof MalformedError);
          return;
        }
        assert.deepEqual(encodeCbor(value), bytes);
      }),
      { numRuns: 3_000 },
    );
  });

  it('brings every value back', () => {
    const leaf = fc.oneof(
      fc.maxSafeInteger().map((value) => value + 0),
      fc.string({ unit: 'binary' }),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array(),
    );
    const { value: anyValue } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(fc.string({ unit: 'binary', maxLength: 6 }), tie('value'), { maxKeys: 4, noNullPrototype: true }),
      ),
    }));
    fc.assert(fc.property(anyValue, (value) => assert.deepEqual(decodeCbor(encodeCbor(value)), value)));
  });

  it('keeps a byte order mark at the start of a text', () => {
    assert.equal(decodeCbor(encodeCbor('\ufeffa')), '\ufeffa');
  });

  it('keeps a key that names the prototype', () => {
    const bytes = fromHex(`a169${toHex(new TextEncoder().encode('__proto__'))}01`);
    assert.deepEqual(Object.entries(decodeCbor(bytes) as object), [['__proto__', 1]]);
  });

  it('refuses deep nesting and lengths that are not there without spending memory', () => {
    assert.throws(() => decodeCbor(new Uint8Array(4 * 1024 * 1024).fill(0x81)), MalformedError);
    assert.throws(() => decodeCbor(fromHex('9b001fffffffffffff')), MalformedError);
    assert.throws(() => decodeCbor(fromHex('bb001fffffffffffff')), MalformedError);
  });
});

function mutated(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[bytes.length >> 1] = (copy[bytes.length >> 1] ?? 0) ^ (1 << (bytes.length % 8));
  return copy;
}

describe('sections 3 and 4: messages', () => {
  for (const { kind, value, cbor, sha } of vectors.messages) {
    it(`encodes and decodes ${kind} ${sha.slice(0, 8)}`, () => {
      const { encode, decode } = codecOf(kind);
      const message = withBytes(value);
      assert.equal(toHex(encode(message as never)), cbor);
      assert.equal(toHex(sha256(fromHex(cbor))), sha);
      assert.deepEqual(decode(fromHex(cbor)), message);
    });
  }

  for (const { kind, what, cbor } of vectors.badMessages) {
    it(`refuses ${kind}: ${what}`, () => {
      const { encode, decode } = codecOf(kind);
      assert.throws(() => decode(fromHex(cbor)), MalformedError);
      assert.throws(() => encode(decodeCbor(fromHex(cbor)) as never), MalformedError);
    });
  }

  const messageOf = (kind: string): unknown =>
    withBytes(vectors.messages.find((message) => message.kind === kind)?.value);

  it('refuses a field whose name every object inherits', () => {
    const bytes = encodeCbor({ ...(messageOf('qvac/cancel/1') as object), toString: 1 });
    assert.throws(() => validate.decodeCancel(bytes), MalformedError);
  });

  it('refuses a router with a model and no class', () => {
    const card = messageOf('qvac/card/1') as Card;
    const router: Card = { ...card, role: 'router', execClass: null, exec: null };
    assert.throws(() => validate.encodeCard(router), MalformedError);
    assert.ok(validate.encodeCard({ ...router, models: [] }).length > 0);
    assert.throws(() => validate.encodeCard({ ...card, role: 'router', models: [] }), MalformedError);
  });

  it('refuses more than 64 stops', () => {
    const offer = messageOf('qvac/offer/1') as Offer;
    const withStops = (count: number): Offer => ({
      ...offer,
      sampler: { ...offer.sampler, stops: Array.from({ length: count }, (_, id) => id) },
    });
    assert.ok(validate.encodeOffer(withStops(64)).length > 0);
    assert.throws(() => validate.encodeOffer(withStops(65)), MalformedError);
  });

  it('refuses text with a lone surrogate', () => {
    const card = messageOf('qvac/card/1') as Card;
    assert.throws(() => validate.encodeCard({ ...card, network: 'a\ud800' }), MalformedError);
  });

  it('names the field that is wrong, not what it holds', () => {
    const offer = messageOf('qvac/offer/1') as Offer;
    const wrong = encodeCbor({ ...offer, sampler: { ...offer.sampler, topK: 777 } });
    assert.throws(
      () => validate.decodeOffer(wrong),
      (error: Error) => /sampler\.topK/.test(error.message),
    );
  });
});

describe('section 2: inputs', () => {
  const input = (changes: object): unknown => ({
    messages: [{ role: 'user', content: 'a' }],
    template: 'gguf',
    options: {},
    ...changes,
  });

  for (const [what, changes] of [
    ['no message', { messages: [] }],
    ['a message without a role', { messages: [{ content: 'a' }] }],
    ['a message with a name', { messages: [{ role: 'user', content: 'a', name: 'b' }] }],
    ['an unknown template', { template: 'jinja' }],
    ['a fraction as option', { options: { a: 0.5 } }],
    ['null as option', { options: { a: null } }],
    ['a list as option', { options: { a: [] } }],
    ['an option that the template gets otherwise', { options: { messages: 'a' } }],
    ['an option in place of a token', { options: { bos_token: 'a' } }],
    ['a prototype as option', { options: JSON.parse('{"__proto__":"a"}') as unknown }],
    [
      'a raw input of two messages',
      {
        template: 'raw',
        messages: [
          { role: 'a', content: 'a' },
          { role: 'a', content: 'b' },
        ],
      },
    ],
    ['a raw input with options', { template: 'raw', options: { a: true } }],
    ['a lone surrogate', { messages: [{ role: 'user', content: '\udc00' }] }],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => validate.parseInput(input(changes)), MalformedError);
    });
  }

  it('takes text, integer and boolean options, also under names that every object inherits', () => {
    const parsed: Input = validate.parseInput(input({ options: { enable_thinking: false, constructor: 'x', n: -3 } }));
    assert.deepEqual(parsed.options, { enable_thinking: false, constructor: 'x', n: -3 });
    assert.deepEqual(validate.parseInput(decodeCbor(validate.encodeInput(parsed))), parsed);
  });
});
