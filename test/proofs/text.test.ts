import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fromHex, utf8 } from '../../src/lib/bytes.ts';
import { Vocabulary } from '../../src/proofs/grammar/vocabulary.ts';
import { textOf } from '../../src/proofs/text/answer-text.ts';
import { piecesIn, scoredTextOf } from '../../src/proofs/text/scored-text.ts';
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

describe('section 4.7: what the tokens of an answer spell, as a referee says it', () => {
  // A character of three bytes, one of each of them alone, a control token, a letter.
  const bytes = ['e282ac', 'e2', '82', 'ac', '', '61'].map(fromHex);
  const plain = (id: number): Uint8Array => bytes[id] ?? new Uint8Array();
  const marked = (id: number): Uint8Array => (id === 4 ? utf8('<tool_call>') : plain(id));
  const answers = fc.array(fc.nat(bytes.length - 1), { minLength: 1, maxLength: 12 });

  it('gives the text of every part of every answer, with markers and without', () => {
    fc.assert(
      fc.property(answers, fc.nat(12), fc.boolean(), (tokens, at, hasMarkers) => {
        const start = Math.min(at, tokens.length);
        const [before, own] = [tokens.slice(0, start), tokens.slice(start)];
        const said = scoredTextOf(tokens, plain, marked);
        const pieces = piecesIn(said, tokens.length, hasMarkers) ?? assert.fail(said);
        for (const reason of [finish.length, finish.brokenOff]) {
          const text = textOf(hasMarkers ? marked : plain, before, own, reason);
          assert.equal(pieces.between(start, tokens.length, reason), text);
        }
        const shown = textOf(hasMarkers ? marked : plain, [], before, finish.brokenOff);
        assert.equal(pieces.between(0, start, finish.notFinal), shown);
      }),
      { seed: 1 },
    );
  });

  it('is of no other form', () => {
    assert.deepEqual(JSON.parse(scoredTextOf([1, 4, 5], plain, marked)), [
      '',
      ['', '\u{FFFD}<tool_call>'],
      ['\u{FFFD}a', 'a'],
      '',
    ]);
    for (const other of ['', '[]', '["a"]', '["a",1]', '{"0":"a"}', '["a",["a"]]', '["a","b","c"]', '["a","b"'])
      assert.equal(piecesIn(other, 1, false), null, other);
  });
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
