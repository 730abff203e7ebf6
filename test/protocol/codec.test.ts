import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { concat, fromHex, toHex } from '../../src/lib/bytes.ts';
import { decodeCbor, encodeCbor, MalformedError } from '../../src/protocol/codec.ts';
import { sha256 } from '../../src/protocol/digests.ts';
import { decodeFrame, encodeFrame } from '../../src/protocol/frame-codec.ts';
import type { Frame } from '../../src/protocol/frames.ts';
import type { Card, Quote } from '../../src/protocol/messages.ts';
import * as validate from '../../src/protocol/validate.ts';
import { readVectors, withBytes } from '../support/vectors.ts';

interface Vectors {
  readonly messages: readonly { kind: string; value: unknown; cbor: string; sha: string }[];
  readonly values: readonly { value: unknown; cbor: string }[];
  readonly bad: readonly { what: string; cbor: string }[];
  readonly badMessages: readonly { kind: string; what: string; cbor: string }[];
  readonly frames: readonly { value: unknown; frame: string }[];
}

const vectors = readVectors('cbor.json') as Vectors;

interface MessageCodec {
  encode(message: never): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

const codecs: Readonly<Record<string, MessageCodec>> = {
  'qvac/card/1': { encode: validate.encodeCard, decode: validate.decodeCard },
  'qvac/quote/1': { encode: validate.encodeQuote, decode: validate.decodeQuote },
  'qvac/open/1': { encode: validate.encodeOpening, decode: validate.decodeOpening },
  'qvac/score/1': { encode: validate.encodeScoreOpening, decode: validate.decodeScoreOpening },
  'qvac/verdict/1': { encode: validate.encodeVerdict, decode: validate.decodeVerdict },
};

function codecOf(kind: string): MessageCodec {
  const codec = codecs[kind];
  assert.ok(codec !== undefined, kind);
  return codec;
}

fc.configureGlobal({ seed: 1 });

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

  it('keeps none of the decoded bytes, so that they may be overwritten and a small field holds no large frame', () => {
    const bytes = encodeCbor({ large: new Uint8Array(1_000).fill(7), small: new Uint8Array(10).fill(8) });
    const { large, small } = decodeCbor(bytes) as { large: Uint8Array; small: Uint8Array };
    bytes.fill(0);
    assert.deepEqual([large, small], [new Uint8Array(1_000).fill(7), new Uint8Array(10).fill(8)]);
    assert.equal(small.buffer.byteLength, 10);
  });

  it('refuses deep nesting, many empty values and lengths that are not there without spending memory', () => {
    assert.throws(() => decodeCbor(new Uint8Array(4 * 1024 * 1024).fill(0x81)), MalformedError);
    assert.throws(
      () => decodeCbor(concat(fromHex('9a003fffff'), new Uint8Array(0x3f_ffff).fill(0x80))),
      MalformedError,
    );
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

  for (const { value, frame } of vectors.frames) {
    const message = withBytes(value) as Frame;
    it(`sends and reads a frame ${message.t}`, () => {
      assert.equal(toHex(encodeFrame(message)), frame);
      assert.deepEqual(decodeFrame(fromHex(frame).subarray(4), [message.t]), message);
    });
  }

  it('refuses a field whose name every object inherits', () => {
    const bytes = encodeCbor({ ...(messageOf('qvac/quote/1') as object), toString: 1 });
    assert.throws(() => validate.decodeQuote(bytes), MalformedError);
  });

  it('refuses a router with a model and no class', () => {
    const card = messageOf('qvac/card/1') as Card;
    const router: Card = { ...card, role: 'router', execClass: null, exec: null };
    assert.throws(() => validate.encodeCard(router), MalformedError);
    assert.ok(validate.encodeCard({ ...router, models: [] }).length > 0);
    assert.throws(() => validate.encodeCard({ ...card, role: 'router', models: [] }), MalformedError);
  });

  it('refuses text with a lone surrogate', () => {
    const card = messageOf('qvac/card/1') as Card;
    assert.throws(() => validate.encodeCard({ ...card, network: 'a\ud800' }), MalformedError);
  });

  it('names the field that is wrong, not what it holds', () => {
    const quote = messageOf('qvac/quote/1') as Quote;
    const wrong = encodeCbor({ ...quote, grace: 7_777 });
    assert.throws(
      () => validate.decodeQuote(wrong),
      (error: Error) => /quote at grace/.test(error.message),
    );
  });
});
