import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex } from '../../src/lib/bytes.ts';
import { Vocabulary } from '../../src/proofs/grammar/vocabulary.ts';
import { textOf } from '../../src/proofs/text/answer-text.ts';
import { StopTexts } from '../../src/proofs/text/stop-texts.ts';
import { type Finish, finish } from '../../src/protocol/codes.ts';
import { readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly texts: readonly { what: string; continuation: string[]; tokens: string[]; finish: Finish; text: string }[];
  readonly stops: readonly { stopTexts: string[]; tokens: string[]; completes: boolean[] }[];
  readonly markers: {
    vocabulary: readonly string[];
    control: readonly (readonly [id: number, text: string])[];
    stops: readonly number[];
    cases: readonly { markers: boolean; tokens: number[]; text: string }[];
  };
}

const vectors = readVectors('continue.json') as Vectors;

describe('section 4.6: the text of a job behind a continuation', () => {
  for (const { what, continuation, tokens, finish: reason, text } of vectors.texts) {
    it(what, () => {
      const bytes = [...continuation, ...tokens].map(fromHex);
      const ids = [...bytes.keys()];
      const found = textOf(
        (id) => bytes[id] ?? new Uint8Array(),
        ids.slice(0, continuation.length),
        ids.slice(continuation.length),
        reason,
      );
      assert.equal(found, text);
    });
  }
});

describe('section 4.1: stop texts and markers', () => {
  for (const { stopTexts, tokens, completes } of vectors.stops) {
    it(`finds ${JSON.stringify(stopTexts)}`, () => {
      const decoder = new TextDecoder();
      const stops = new StopTexts(stopTexts);
      assert.deepEqual(
        tokens.map((hex) => stops.completes(decoder.decode(fromHex(hex), { stream: true }))),
        completes,
      );
    });
  }

  it('finds every occurrence, however the text comes in pieces', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 40 });
    const stopTexts = fc.array(fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 5 }), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 8 }), stopTexts, (pieces, texts) => {
        const follower = new StopTexts(texts);
        let before = '';
        for (const piece of pieces) {
          const ends = [...piece].map((_, at) => before + piece.slice(0, at + 1));
          assert.equal(
            follower.completes(piece),
            ends.some((end) => texts.some((text) => end.endsWith(text))),
          );
          before += piece;
        }
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('follows a stop text of a megabyte as fast as a short one', () => {
    const stopTexts = new StopTexts([`${'a'.repeat(1_000_000)}b`]);
    for (let at = 0; at < 2_000; at++) assert.equal(stopTexts.completes('a'.repeat(1_000)), false);
    assert.ok(stopTexts.completes('b'));
  });

  const { control, stops, cases } = vectors.markers;
  const vocabulary = new Vocabulary(vectors.markers.vocabulary.map(fromHex), new Map(control));
  for (const { markers, tokens, text } of cases) {
    it(`${markers ? 'with' : 'without'} markers: ${JSON.stringify(text)}`, () => {
      const marked = vocabulary.markedBytes(stops) ?? assert.fail();
      assert.equal(textOf(markers ? marked : (id) => vocabulary.bytesOf(id), [], tokens, finish.length), text);
    });
  }

  it('does not know the texts of control tokens without a list of them', () => {
    assert.equal(new Vocabulary([]).markedBytes([]), null);
  });
});
