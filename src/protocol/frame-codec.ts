import * as v from 'valibot';
import { decodeCbor, encodeCbor, MalformedError } from './codec.ts';
import { modes, payFrom } from './codes.ts';
import {
  frameLimits,
  maxChallenges,
  maxMinP,
  maxScoreOpeningBytes,
  maxTailCodePoints,
  maxTemperature,
  maxTopK,
  maxTopP,
  minChallenges,
} from './constants.ts';
import type { Frame, FrameType } from './frames.ts';
import { input } from './input/input.ts';
import { anyBytes, digest, integer, natural, signature, text, u32Max, u32s } from './messages/fields.ts';
import { validated } from './messages/validated.ts';

/** The u32 in front of a frame. */
const lengthBytes = 4;

function signed<Type extends FrameType>(t: Type) {
  return v.strictObject({ t: v.literal(t), body: anyBytes, sig: signature });
}

function bare<Type extends FrameType>(t: Type) {
  return v.strictObject({ t: v.literal(t) });
}

const tail = v.pipe(
  text,
  v.check(
    // Counting the code points of a text takes time and memory in proportion; two units each are the most.
    (value) => value.length <= 2 * maxTailCodePoints && [...value].length <= maxTailCodePoints,
    `expected at most ${maxTailCodePoints} characters`,
  ),
);

const schemas = {
  offer: v.strictObject({
    t: v.literal('offer'),
    body: anyBytes,
    sig: signature,
    input,
    extra: anyBytes,
    grammar: v.unknown(),
  }),
  accept: v.strictObject({ t: v.literal('accept'), promptTokens: u32s, inputDigest: digest, tail }),
  tokens: v.strictObject({ t: v.literal('tokens'), i: natural, tokens: u32s, text }),
  vectors: v.strictObject({ t: v.literal('vectors'), i: natural, counts: u32s, values: anyBytes }),
  opening: signed('opening'),
  card: signed('card'),
  quote: signed('quote'),
  head: signed('head'),
  verdict: signed('verdict'),
  ack: signed('ack'),
  terms: signed('terms'),
  ask: v.strictObject({
    t: v.literal('ask'),
    modelId: digest,
    requestDigest: digest,
    mode: v.picklist(Object.values(modes)),
    promptTokens: natural,
    maxTokens: natural,
    pay: v.picklist(Object.values(payFrom)),
  }),
  propose: v.strictObject({
    t: v.literal('propose'),
    payer: digest,
    deposit: natural,
    window: natural,
    expiresAt: natural,
  }),
  route: v.strictObject({
    t: v.literal('route'),
    input,
    model: text,
    sampler: v.strictObject({
      temperature: integer(0, maxTemperature),
      minP: integer(0, maxMinP),
      topP: integer(1, maxTopP),
      topK: integer(1, maxTopK),
      maxTokens: integer(1, u32Max),
      extra: anyBytes,
    }),
    grammar: v.exactOptional(
      v.pipe(
        v.unknown(),
        v.check((value) => value !== null, 'a grammar is left out, not null'),
      ),
    ),
    seed: digest,
    commit: digest,
    count: integer(minChallenges, maxChallenges),
    mode: v.picklist([modes.none, modes.merkle, modes.fraud]),
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
  dial: v.strictObject({ t: v.literal('dial'), port: integer(1, 65_535) }),
  dialled: v.strictObject({ t: v.literal('dialled'), addr: text, ok: v.boolean() }),
  beat: bare('beat'),
  progress: v.pipe(
    v.strictObject({ t: v.literal('progress'), done: integer(0, u32Max), total: integer(1, u32Max) }),
    v.check(({ done, total }) => done <= total, 'done is at most total'),
  ),
  busy: bare('busy'),
  stop: bare('stop'),
  error: v.strictObject({ t: v.literal('error'), code: text, message: text }),
} satisfies { readonly [Type in FrameType]: v.GenericSchema };

export interface FrameOptions {
  /** The stream is of a score job, whose opening may be longer (section 4.7). @default false */
  readonly isScore?: boolean;
}

/** Most bytes of a frame's CBOR, the length not counted (section 4). */
export function frameLimit(type: FrameType, { isScore = false }: FrameOptions = {}): number {
  return type === 'opening' && isScore ? maxScoreOpeningBytes : frameLimits[type];
}

/** The largest limit of `allowed`: a longer frame can be refused before it is read. */
export function maxFrameBytes(allowed: readonly FrameType[], options: FrameOptions = {}): number {
  return Math.max(0, ...allowed.map((type) => frameLimit(type, options)));
}

/**
 * `u32 length ‖ cbor(frame)` (section 4).
 * @throws MalformedError if the other side would have to refuse the frame
 */
export function encodeFrame(frame: Frame, options: FrameOptions = {}): Uint8Array {
  const sent = encodeCbor(validated(schemas[frame.t], frame, frame.t), lengthBytes);
  const length = sent.length - lengthBytes;
  checkLimit(frame.t, length, options);
  new DataView(sent.buffer).setUint32(0, length);
  return sent;
}

/**
 * The frame whose CBOR is `cbor`, without its length.
 * @throws MalformedError for a frame above its limit, not one of `allowed`, or malformed
 */
export function decodeFrame(cbor: Uint8Array, allowed: readonly FrameType[], options: FrameOptions = {}): Frame {
  const value = decodeCbor(cbor);
  const type = allowed.find((one) => isOfType(value, one));
  if (type === undefined) throw new MalformedError(`a frame that is not one of ${allowed.join(', ')}`);
  checkLimit(type, cbor.length, options);
  return validated(schemas[type], value, type);
}

function isOfType(value: unknown, type: FrameType): boolean {
  return typeof value === 'object' && value !== null && 't' in value && value.t === type;
}

function checkLimit(type: FrameType, length: number, options: FrameOptions): void {
  const most = frameLimit(type, options);
  if (length > most) throw new MalformedError(`${type}: ${length} bytes, at most ${most} are allowed`);
}
