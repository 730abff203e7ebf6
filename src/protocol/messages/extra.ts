import { sha256 } from '@noble/hashes/sha2.js';
import * as v from 'valibot';
import { concat, equalBytes, utf8 } from '../../lib/bytes.ts';
import { decodeCbor, encodeCbor, MalformedError } from '../codec.ts';
import { maxBiases, maxBiasQ, maxDimensions, maxPenaltyQ, maxStopTexts } from '../constants.ts';
import { tag } from '../encoding/tag.ts';
import { digest, integer, isAscending, text, u32 } from './fields.ts';
import { validated } from './validated.ts';

/** Section 4.1's settings of an answer beyond the sampler; a key that is not there is neutral. */
export interface ExtraSettings {
  /** Taken off the q of a token that occurs in the answer, −2048 … 2048. */
  readonly presence?: number;
  /** Taken off for each time that it occurs. */
  readonly frequency?: number;
  /** Added to the q of a candidate: `[id, q]`, ascending by id, at most 300. */
  readonly bias?: readonly (readonly [id: number, q: number])[];
  /** At most 32, ascending by their UTF-8; the answer ends with the token that completes one. */
  readonly stopTexts?: readonly string[];
  /** The text has the texts of control tokens, too, except of stops. */
  readonly markers?: true;
  /** Digest of the grammar, and of the vocabulary that it is applied to. */
  readonly grammar?: Uint8Array;
  readonly vocabDigest?: Uint8Array;
  /** Numbers of each vector: the job embeds texts (section 4.9), and no other setting is there. */
  readonly embed?: number;
}

const penalty = v.pipe(
  integer(-maxPenaltyQ, maxPenaltyQ),
  v.check((q) => q !== 0, 'expected no neutral value'),
);
const bias = v.strictTuple([
  u32,
  v.pipe(
    integer(-maxBiasQ, maxBiasQ),
    v.check((q) => q !== 0, 'expected no neutral value'),
  ),
]);

const extraSettings = v.pipe(
  v.strictObject({
    presence: v.exactOptional(penalty),
    frequency: v.exactOptional(penalty),
    bias: v.exactOptional(
      v.pipe(
        v.array(bias),
        v.minLength(1),
        v.maxLength(maxBiases),
        v.check((list) => isAscending(list.map(([id]) => id)), 'expected ascending ids'),
      ),
    ),
    stopTexts: v.exactOptional(
      v.pipe(
        v.array(v.pipe(text, v.minLength(1))),
        v.minLength(1),
        v.maxLength(maxStopTexts),
        v.check((texts) => isAscendingByUtf8(texts), 'expected texts ascending by their UTF-8'),
      ),
    ),
    markers: v.exactOptional(v.literal(true)),
    grammar: v.exactOptional(digest),
    vocabDigest: v.exactOptional(digest),
    embed: v.exactOptional(integer(1, maxDimensions)),
  }),
  v.check((settings) => Object.keys(settings).length > 0, 'expected a setting that is not neutral'),
  v.check(
    ({ grammar, vocabDigest }) => (grammar === undefined) === (vocabDigest === undefined),
    'grammar and vocabDigest go together',
  ),
  v.check((settings) => settings.embed === undefined || Object.keys(settings).length === 1, 'embed stands alone'),
);

function isAscendingByUtf8(texts: readonly string[]): boolean {
  return texts.every((one, at) => at === 0 || isBefore(utf8(texts[at - 1] ?? one), utf8(one)));
}

/** The texts in the order that `stopTexts` wants, each once. */
export function stopTextsOf(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].sort((a, b) => (isBefore(utf8(a), utf8(b)) ? -1 : 1));
}

/** Bytewise, a beginning before the whole. */
function isBefore(a: Uint8Array, b: Uint8Array): boolean {
  const at = b.findIndex((byte, index) => byte !== a[index]);
  return at !== -1 && (a[at] ?? -1) < (b[at] ?? 0);
}

/**
 * The bytes of `extra`: empty if every setting is neutral.
 * @throws MalformedError for a setting out of range
 */
export function encodeExtra(settings: ExtraSettings): Uint8Array {
  if (Object.keys(settings).length === 0) return new Uint8Array();
  return encodeCbor(validated(extraSettings, settings, 'extra'));
}

/**
 * The settings in `extra`; `{}` if it is empty.
 * @param vocab number of token ids, below which biased ids are
 * @throws MalformedError
 */
export function decodeExtra(extra: Uint8Array, vocab: number): ExtraSettings {
  if (extra.length === 0) return {};
  const settings = validated(extraSettings, decodeCbor(extra), 'extra');
  const last = settings.bias?.at(-1)?.[0] ?? 0;
  if (last >= vocab) throw new MalformedError('extra at bias: an id outside the vocabulary');
  return settings;
}

const extraTag = tag('qvac/extra/1');

/** The digest that an offer has for `extra`; null for none, which its body writes as zeros. */
export function extraDigestOf(extra: Uint8Array): Uint8Array | null {
  return extra.length === 0 ? null : sha256(concat(extraTag, extra));
}

/** Whether an offer with this digest may travel with this `extra`. */
export function isExtraOf(digestInOffer: Uint8Array | null, extra: Uint8Array): boolean {
  const own = extraDigestOf(extra);
  return own === null || digestInOffer === null ? own === digestInOffer : equalBytes(own, digestInOffer);
}
