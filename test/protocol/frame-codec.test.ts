import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { encodeCbor, MalformedError } from '../../src/protocol/codec.ts';
import { peerErrorCode } from '../../src/protocol/codes.ts';
import { frameLimits } from '../../src/protocol/constants.ts';
import { decodeFrame, encodeFrame, frameLimit, maxFrameBytes } from '../../src/protocol/frame-codec.ts';
import type { Frame, FrameType } from '../../src/protocol/frames.ts';
import type { Input } from '../../src/protocol/messages.ts';

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const someBytes = fc.uint8Array({ maxLength: 64 });
const text = fc.string({ unit: 'binary', maxLength: 20 });
const natural = fc.maxSafeNat();
const u32s = fc.array(fc.nat(2 ** 32 - 1), { maxLength: 20 });
const input: fc.Arbitrary<Input> = fc.record(
  {
    messages: fc.array(fc.record({ role: text, content: text }, { noNullPrototype: true }), {
      minLength: 1,
      maxLength: 3,
    }),
    template: fc.constant('gguf' as const),
    tools: fc.constantFrom(null, '[{"type":"function","function":{"name":"f"}}]'),
    date: fc.constantFrom(null, '2028-02-29'),
    continuation: fc.array(fc.nat(2 ** 32 - 1), { maxLength: 5 }),
    options: fc.dictionary(
      text.filter((name) => !['__proto__', 'messages', 'tools'].includes(name)),
      fc.oneof(text, fc.boolean(), fc.integer()),
      { maxKeys: 3, noNullPrototype: true },
    ),
  },
  { noNullPrototype: true },
);
const sampler = fc.record(
  {
    temperature: fc.nat(200),
    minP: fc.nat(100),
    topP: fc.integer({ min: 1, max: 100 }),
    extra: someBytes,
    topK: fc.integer({ min: 1, max: 20 }),
    maxTokens: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  },
  { noNullPrototype: true },
);

const of = <T extends FrameType>(t: T, fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Frame> =>
  fc.record({ t: fc.constant(t), ...fields }, { noNullPrototype: true }) as fc.Arbitrary<Frame>;
const signed = { body: someBytes, sig: bytes(64) };
const grammar = fc.constant([[[[97, 97], 0], ['t']]]);
/** Without a grammar. */
const route = {
  input,
  model: text,
  sampler,
  seed: bytes(32),
  commit: bytes(32),
  count: fc.integer({ min: 2, max: 256 }),
  mode: fc.nat(2),
  verify: fc.constantFrom('sampling', 'full'),
  maxPrice: natural,
  timeout: natural,
};
/** The one field that a frame may lack. */
const optional: Readonly<Partial<Record<FrameType, string>>> = { route: 'grammar' };

const arbitraries: Readonly<Record<FrameType, fc.Arbitrary<Frame>>> = {
  offer: of('offer', {
    ...signed,
    input,
    extra: someBytes,
    grammar: fc.option(grammar),
  }),
  accept: of('accept', { promptTokens: u32s, inputDigest: bytes(32), tail: text }),
  tokens: of('tokens', { i: natural, tokens: u32s, text }),
  vectors: of('vectors', { i: natural, counts: u32s, values: someBytes }),
  opening: of('opening', signed),
  card: of('card', signed),
  quote: of('quote', signed),
  head: of('head', signed),
  verdict: of('verdict', signed),
  ack: of('ack', signed),
  terms: of('terms', signed),
  ask: of('ask', {
    modelId: bytes(32),
    requestDigest: bytes(32),
    mode: fc.nat(4),
    promptTokens: natural,
    maxTokens: natural,
    pay: fc.nat(2),
  }),
  propose: of('propose', { payer: bytes(32), deposit: natural, window: natural, expiresAt: natural }),
  route: fc.oneof(of('route', route), of('route', { ...route, grammar })),
  picked: of('picked', {
    offer: someBytes,
    offerSig: bytes(64),
    quote: someBytes,
    quoteSig: bytes(64),
    card: someBytes,
    cardSig: bytes(64),
  }),
  receipt: of('receipt', { receipt: someBytes }),
  audit: of('audit', { receipt: someBytes }),
  challenge: of('challenge', { secret: bytes(32) }),
  dial: of('dial', { port: fc.integer({ min: 1, max: 65_535 }) }),
  dialled: of('dialled', { addr: text, ok: fc.boolean() }),
  beat: of('beat', {}),
  progress: fc
    .tuple(fc.nat(2 ** 32 - 1), fc.integer({ min: 1, max: 2 ** 32 - 1 }))
    .map(([a, b]) => ({ t: 'progress' as const, done: Math.min(a, b), total: Math.max(a, b) })),
  busy: of('busy', {}),
  stop: of('stop', {}),
  error: of('error', { code: text, message: text }),
};

const types = Object.keys(arbitraries) as FrameType[];
const anyFrame = fc.oneof(...Object.values(arbitraries));

/** The CBOR of a frame as sent. */
function cborOf(sent: Uint8Array): Uint8Array {
  assert.equal(new DataView(sent.buffer, sent.byteOffset).getUint32(0), sent.length - 4);
  return sent.subarray(4);
}

fc.configureGlobal({ seed: 1 });

describe('section 4: frames', () => {
  it('brings every frame back', () => {
    fc.assert(
      fc.property(anyFrame, (frame) => {
        const sent = encodeFrame(frame);
        assert.deepEqual(decodeFrame(cborOf(sent), types), frame);
        assert.deepEqual(encodeFrame(decodeFrame(cborOf(sent), types)), sent);
      }),
    );
  });

  it('refuses a frame that is out of order, and one with a field more or less', () => {
    fc.assert(
      fc.property(anyFrame, (frame) => {
        const others = types.filter((type) => type !== frame.t);
        assert.throws(() => decodeFrame(cborOf(encodeFrame(frame)), others), MalformedError);
        assert.throws(() => decodeFrame(encodeCbor({ ...frame, z: 1 }), types), MalformedError);
        for (const field of Object.keys(frame).filter((name) => name !== optional[frame.t])) {
          const rest = Object.fromEntries(Object.entries(frame).filter(([name]) => name !== field));
          assert.throws(() => decodeFrame(encodeCbor(rest), types), MalformedError, field);
        }
      }),
    );
  });

  it('throws nothing else for any bytes', () => {
    const junk = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(anyFrame, fc.nat(), fc.nat(255))
        .map(([frame, at, byte]) => withByte(cborOf(encodeFrame(frame)), at, byte)),
    );
    fc.assert(
      fc.property(junk, (cbor) => {
        try {
          decodeFrame(cbor, types);
        } catch (error) {
          assert.ok(error instanceof MalformedError);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  for (const type of ['tokens', 'head', 'error', 'opening'] as const) {
    it(`refuses a ${type} frame above its limit, both ways`, () => {
      const filled = (length: number): Frame => {
        if (type === 'tokens') return { t: type, i: 0, tokens: [], text: 'x'.repeat(length) };
        if (type === 'error') return { t: type, code: 'internal', message: 'x'.repeat(length) };
        return { t: type, body: new Uint8Array(length), sig: new Uint8Array(64) };
      };
      const limit = frameLimits[type];
      const overhead = encodeFrame(filled(limit - 1_000)).length - 4 - (limit - 1_000);
      assert.equal(encodeFrame(filled(limit - overhead)).length, 4 + limit);
      assert.throws(() => encodeFrame(filled(limit - overhead + 1)), MalformedError);
      assert.throws(() => decodeFrame(encodeCbor(filled(limit - overhead + 1)), [type, 'receipt']), MalformedError);
    });
  }

  it('knows the longest frame before it is read', () => {
    assert.equal(frameLimit('beat'), 4_096);
    assert.equal(maxFrameBytes(['beat', 'tokens', 'head']), 65_536);
    assert.equal(maxFrameBytes([]), 0);
    assert.equal(maxFrameBytes(['opening', 'beat']), 1_048_576);
    assert.equal(maxFrameBytes(['opening', 'beat'], { isScore: true }), 8_388_608);
  });

  it('takes the longer opening of a score job', () => {
    const frame: Frame = { t: 'opening', body: new Uint8Array(2_000_000), sig: new Uint8Array(64) };
    assert.throws(() => encodeFrame(frame), MalformedError);
    const sent = encodeFrame(frame, { isScore: true });
    assert.throws(() => decodeFrame(cborOf(sent), ['opening']), MalformedError);
    assert.deepEqual(decodeFrame(cborOf(sent), ['opening'], { isScore: true }), frame);
  });

  it('takes a tail of 256 code points at most', () => {
    const accept = (tail: string): Frame => ({ t: 'accept', promptTokens: [1], inputDigest: new Uint8Array(32), tail });
    assert.ok(encodeFrame(accept('🦙'.repeat(256))));
    assert.throws(() => encodeFrame(accept('a'.repeat(257))), MalformedError);
  });

  it('refuses a quote without its signature', () => {
    const [frame] = fc.sample(arbitraries.picked, 1);
    assert.throws(() => decodeFrame(encodeCbor({ ...frame, quoteSig: null }), types), MalformedError);
    assert.ok(decodeFrame(encodeCbor({ ...frame, quote: null, quoteSig: null }), types));
  });

  it('takes an unknown error code as internal', () => {
    assert.equal(peerErrorCode('too-dear'), 'too-dear');
    assert.equal(peerErrorCode('on-fire'), 'internal');
  });
});

function withByte(cbor: Uint8Array, at: number, byte: number): Uint8Array {
  const copy = cbor.slice();
  copy[at % cbor.length] = byte;
  return copy;
}
