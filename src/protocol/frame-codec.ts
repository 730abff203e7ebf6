import { encode } from '@ipld/dag-cbor';
import * as v from 'valibot';
import { concat, u32 } from '../lib/bytes.ts';
import { decodeCbor, MalformedError } from './codec.ts';
import { frameLimits } from './constants.ts';
import type { Frame, FrameType } from './frames.ts';
import { anyBytes, challengeCount, digest, input, natural, samplerSettings, signature, text, u32s } from './schemas.ts';
import { validated } from './validate.ts';

function signed<Type extends FrameType>(t: Type) {
  return v.strictObject({ t: v.literal(t), body: anyBytes, sig: signature });
}

function bare<Type extends FrameType>(t: Type) {
  return v.strictObject({ t: v.literal(t) });
}

const schemas = {
  offer: v.strictObject({ t: v.literal('offer'), body: anyBytes, sig: signature, input }),
  accept: v.strictObject({ t: v.literal('accept'), promptTokens: u32s, inputDigest: digest }),
  tokens: v.strictObject({ t: v.literal('tokens'), i: natural, tokens: u32s, text }),
  opening: signed('opening'),
  card: signed('card'),
  quote: signed('quote'),
  head: signed('head'),
  verdict: signed('verdict'),
  cancel: signed('cancel'),
  ask: v.strictObject({
    t: v.literal('ask'),
    modelId: digest,
    requestDigest: digest,
    promptTokens: natural,
    maxTokens: natural,
  }),
  route: v.strictObject({
    t: v.literal('route'),
    input,
    model: text,
    sampler: v.strictObject(samplerSettings),
    seed: digest,
    commit: digest,
    count: challengeCount,
    mode: v.picklist(['merkle', 'none']),
    verify: v.picklist(['sampling', 'full']),
    maxPrice: natural,
    timeout: natural,
  }),
  picked: v.pipe(
    v.strictObject({
      t: v.literal('picked'),
      offer: anyBytes,
      offerSig: signature,
      quote: v.nullable(anyBytes),
      quoteSig: v.nullable(signature),
      card: anyBytes,
      cardSig: signature,
    }),
    v.check(({ quote, quoteSig }) => (quote === null) === (quoteSig === null), 'quote and quoteSig are null together'),
  ),
  receipt: v.strictObject({ t: v.literal('receipt'), receipt: anyBytes }),
  audit: v.strictObject({ t: v.literal('audit'), receipt: anyBytes }),
  challenge: v.strictObject({ t: v.literal('challenge'), secret: digest }),
  beat: bare('beat'),
  busy: bare('busy'),
  stop: bare('stop'),
  error: v.strictObject({ t: v.literal('error'), code: text, message: text }),
} satisfies { readonly [Type in FrameType]: v.GenericSchema };

/** Most bytes of a frame's CBOR, the length not counted (section 4). */
export function frameLimit(type: FrameType): number {
  return frameLimits[type];
}

/** The largest limit of `allowed`: a longer frame can be refused before it is read. */
export function maxFrameBytes(allowed: readonly FrameType[]): number {
  return Math.max(0, ...allowed.map(frameLimit));
}

/**
 * `u32 length ‖ cbor(frame)` (section 4).
 * @throws MalformedError where the other side would have to refuse the frame
 */
export function encodeFrame(frame: Frame): Uint8Array {
  const cbor = encode(validated(schemas[frame.t], frame, frame.t));
  checkLimit(frame.t, cbor);
  // The one copy out of the encoder's own buffer.
  return concat(u32(cbor.length), cbor);
}

/**
 * The frame whose CBOR is `cbor`, without its length.
 * @throws MalformedError for a frame above its limit, not one of `allowed`, or malformed
 */
export function decodeFrame(cbor: Uint8Array, allowed: readonly FrameType[]): Frame {
  const value = decodeCbor(cbor);
  const type = allowed.find((one) => isOfType(value, one));
  if (type === undefined) throw new MalformedError(`a frame that is none of ${allowed.join(', ')}`);
  checkLimit(type, cbor);
  return validated(schemas[type], value, type);
}

function isOfType(value: unknown, type: FrameType): boolean {
  return typeof value === 'object' && value !== null && 't' in value && value.t === type;
}

function checkLimit(type: FrameType, cbor: Uint8Array): void {
  if (cbor.length > frameLimit(type))
    throw new MalformedError(`${type}: ${cbor.length} bytes where ${frameLimit(type)} are the most`);
}
