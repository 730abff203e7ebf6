import assert from 'node:assert/strict';
import { fromHex, utf8 } from '../../../src/lib/bytes.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { createGrammarMatcher } from '../../../src/proofs/grammar/grammar-matcher.ts';
import { Vocabulary } from '../../../src/proofs/grammar/vocabulary.ts';
import { GrammarTooCostly } from '../../../src/proofs/grammar/work.ts';
import { parseReceipt, serialiseReceipt } from '../../../src/proofs/receipt.ts';
import { decodeCbor, encodeCbor, MalformedError } from '../../../src/protocol/codec.ts';
import { decodeFrame, encodeFrame } from '../../../src/protocol/frame-codec.ts';
import type { FrameType } from '../../../src/protocol/frames.ts';
import { parseGrammar } from '../../../src/protocol/grammar/rules.ts';
import { ControlTexts } from '../../../src/protocol/input/control-text.ts';
import { templateValuesOf } from '../../../src/protocol/input/template-values.ts';
import { decodeExtra, encodeExtra } from '../../../src/protocol/messages/extra.ts';
import {
  decodeAck,
  decodeChannelTerms,
  decodeHead,
  decodeOffer,
  encodeAck,
  encodeChannelTerms,
  encodeHead,
  encodeInput,
  encodeOffer,
  parseInput,
} from '../../../src/protocol/validate.ts';
import { readVectors, withBytes } from '../vectors.ts';
import { mutated, type SeededRandom } from './random.ts';

/** One door of the program for bytes of strangers. */
export interface FuzzTarget {
  readonly name: string;
  /** Well-formed inputs, which are changed. */
  readonly seeds: readonly Uint8Array[];
  /**
   * Takes bytes. An input that passes is the one form of what it says; another one is refused with MalformedError.
   * @throws anything else if it does not hold
   */
  take(bytes: Uint8Array, random: SeededRandom): void;
}

/** Takes a changed input of the target. Returns whether it was well formed. @throws what the target found wrong */
export function fuzzOnce(target: FuzzTarget, random: SeededRandom): boolean {
  const bytes = mutated(random.pick(target.seeds), random.pick(target.seeds), random);
  try {
    target.take(bytes, random);
    return true;
  } catch (error) {
    if (error instanceof MalformedError) return false;
    throw new Error(`${target.name}: ${Buffer.from(bytes).toString('hex').slice(0, 20_000)}`, { cause: error });
  }
}

const hexes = (values: readonly string[]): readonly Uint8Array[] => values.map(fromHex);
const cborVectors = readVectors('cbor.json') as {
  messages: readonly { cbor: string }[];
  values: readonly { cbor: string }[];
  frames: readonly { value: { t: FrameType }; frame: string }[];
};
const frameTypes = [...new Set(cborVectors.frames.map(({ value }) => value.t))];

/** A decoder whose results encode to the bytes that they were decoded from. */
function codecTarget<Message>(
  name: string,
  seeds: readonly string[],
  decode: (bytes: Uint8Array) => Message,
  encode: (message: Message) => Uint8Array,
): FuzzTarget {
  return {
    name,
    seeds: hexes(seeds),
    take: (bytes) => assert.deepEqual(encode(decode(bytes)), bytes),
  };
}

const offers = readVectors('offer.json') as { offers: readonly { body: string }[]; extra: readonly { cbor: string }[] };
const acks = (readVectors('ack.json') as { acks: readonly { body: string }[] }).acks;
const terms = (readVectors('channel.json') as { terms: readonly { body: string }[] }).terms;
const heads = (readVectors('head.json') as { heads: readonly { body: string }[] }).heads;
const inputs = (readVectors('input.json') as { requests: readonly { cbor: string }[] }).requests;
const grammars = Object.values(
  (readVectors('grammar.json') as { grammars: Readonly<Record<string, { rules: unknown }>> }).grammars,
);
const vocabulary = new Vocabulary(
  (readVectors('grammar.json') as { vocabularies: { json: readonly string[] } }).vocabularies.json.map(fromHex),
);
const receipts = ['paid', 'settings', 'grammar', 'continued', 'score', 'cut-off', 'stop-text', 'channel'].map((name) =>
  utf8(JSON.stringify((readVectors(`receipts-pass/${name}.json`) as { receipt: unknown }).receipt)),
);
const controlTexts = new ControlTexts(['<|im_end|>', '<s>', '[é]', 'aa', '🦙!']);

export const fuzzTargets: readonly FuzzTarget[] = [
  codecTarget(
    'cbor',
    [...cborVectors.messages, ...cborVectors.values].map(({ cbor }) => cbor),
    decodeCbor,
    encodeCbor,
  ),
  {
    name: 'frame',
    seeds: hexes(cborVectors.frames.map(({ frame }) => frame.slice(8))),
    take: (bytes) => assert.deepEqual(encodeFrame(decodeFrame(bytes, frameTypes)).subarray(4), bytes),
  },
  codecTarget(
    'offer',
    offers.offers.map(({ body }) => body),
    decodeOffer,
    encodeOffer,
  ),
  codecTarget(
    'extra',
    offers.extra.map(({ cbor }) => cbor),
    (bytes) => decodeExtra(bytes, 2 ** 32 - 1),
    encodeExtra,
  ),
  codecTarget(
    'ack',
    acks.map(({ body }) => body),
    decodeAck,
    encodeAck,
  ),
  codecTarget(
    'terms',
    terms.map(({ body }) => body),
    decodeChannelTerms,
    encodeChannelTerms,
  ),
  codecTarget(
    'head',
    heads.map(({ body }) => body),
    decodeHead,
    encodeHead,
  ),
  {
    name: 'input',
    seeds: hexes(inputs.map(({ cbor }) => cbor)),
    take(bytes) {
      const input = parseInput(decodeCbor(bytes));
      assert.deepEqual(encodeInput(input), bytes);
      templateValuesOf(input, controlTexts);
    },
  },
  {
    name: 'grammar',
    seeds: grammars.map(({ rules }) => encodeCbor(withBytes(rules))),
    take(bytes, random) {
      const rules = parseGrammar(decodeCbor(bytes));
      const matcher = createGrammarMatcher({ rules, vocabulary, stops: [0] });
      try {
        for (let step = 0; step < 8; step++) {
          const allowed = matcher.allowedUpTo(20);
          assert.ok(allowed.every((token) => matcher.allows(token)));
          if (allowed.length === 0 || !matcher.accept(random.pick(allowed))) break;
        }
      } catch (error) {
        if (!(error instanceof GrammarTooCostly)) throw error;
      }
    },
  },
  {
    name: 'receipt',
    seeds: receipts,
    take(bytes, random) {
      const receipt = parseReceipt(bytes);
      const file = serialiseReceipt(receipt);
      assert.equal(serialiseReceipt(parseReceipt(file)), file);
      // Signatures take most of the time.
      if (random.below(20) > 0) return;
      const { result } = assess(receipt, { vocabulary });
      assert.ok(['pass', 'fail', 'inconclusive'].includes(result));
    },
  },
];
