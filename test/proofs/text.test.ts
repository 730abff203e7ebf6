import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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

  const { control, stops, cases } = vectors.markers;
  const vocabulary = new Vocabulary(vectors.markers.vocabulary.map(fromHex), new Map(control));
  for (const { markers, tokens, text } of cases) {
    it(`${markers ? 'with' : 'without'} markers: ${JSON.stringify(text)}`, () => {
      const marked = vocabulary.markedBytes(stops) ?? assert.fail();
      assert.equal(textOf(markers ? marked : (id) => vocabulary.bytesOf(id), [], tokens, finish.length), text);
    });
  }

  it('does not know the texts of control tokens unless it is told', () => {
    assert.equal(new Vocabulary([]).markedBytes([]), null);
  });
});
