import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createTextStream } from '../../../src/model/text/text-stream.ts';

/** Tokens are indexes into `pieces`. */
function streamOf(pieces: readonly Uint8Array[]): string[] {
  const stream = createTextStream({ bytesOf: (token) => pieces[token] ?? new Uint8Array(0) });
  return [...pieces.map((_, token) => stream.push(token)), stream.end()];
}

describe('the text of an answer, section 4.2', () => {
  it('holds a character back until it is complete', () => {
    assert.deepEqual(streamOf([Uint8Array.of(0x61, 0xf0, 0x9f), Uint8Array.of(0x98), Uint8Array.of(0x80, 0x62)]), [
      'a',
      '',
      '😀b',
      '',
    ]);
  });

  it('keeps a BOM, wherever it is', () => {
    const bom = Uint8Array.of(0xef, 0xbb, 0xbf);
    assert.deepEqual(streamOf([bom, Uint8Array.of(0x61), bom]), ['\ufeff', 'a', '\ufeff', '']);
    assert.deepEqual(streamOf([Uint8Array.of(0xef), Uint8Array.of(0xbb), Uint8Array.of(0xbf)]), ['', '', '\ufeff', '']);
  });

  it('replaces an incomplete last character at the end', () => {
    assert.deepEqual(streamOf([Uint8Array.of(0x61, 0xe2, 0x82)]), ['a', '\ufffd']);
  });

  it('starts anew after its end', () => {
    const stream = createTextStream({ bytesOf: (token) => Uint8Array.of(token) });
    stream.push(0xe2);
    assert.equal(stream.end(), '\ufffd');
    assert.equal(stream.push(0x61), 'a');
  });

  it('gives the WHATWG decoding however the bytes are cut', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.string({ unit: 'binary', maxLength: 4 }).map((text) => new TextEncoder().encode(text)),
      fc.constantFrom(
        Uint8Array.of(0xf0),
        Uint8Array.of(0xed, 0xa0),
        Uint8Array.of(0xf4, 0x90),
        Uint8Array.of(0xe2, 0x82),
      ),
    );
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 8 }), (pieces) => {
        assert.equal(streamOf(pieces).join(''), decodeByTheBook(Buffer.concat(pieces)));
      }),
      { numRuns: 3000 },
    );
  });
});

/** The UTF-8 decoder of the Encoding Standard (section 8.1.1), with replacement and without BOM handling. */
function decodeByTheBook(bytes: Uint8Array): string {
  let text = '';
  let point = 0;
  let [seen, needed, lower, upper] = [0, 0, 0x80, 0xbf];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (needed === 0) {
      if (byte <= 0x7f) text += String.fromCodePoint(byte);
      else if (byte >= 0xc2 && byte <= 0xdf) [needed, point] = [1, byte & 0x1f];
      else if (byte >= 0xe0 && byte <= 0xef) {
        if (byte === 0xe0) lower = 0xa0;
        if (byte === 0xed) upper = 0x9f;
        [needed, point] = [2, byte & 0xf];
      } else if (byte >= 0xf0 && byte <= 0xf4) {
        if (byte === 0xf0) lower = 0x90;
        if (byte === 0xf4) upper = 0x8f;
        [needed, point] = [3, byte & 0x7];
      } else text += '\ufffd';
      continue;
    }
    if (byte < lower || byte > upper) {
      [point, needed, seen, lower, upper] = [0, 0, 0, 0x80, 0xbf];
      text += '\ufffd';
      at--;
      continue;
    }
    [lower, upper] = [0x80, 0xbf];
    point = (point << 6) | (byte & 0x3f);
    if (++seen !== needed) continue;
    text += String.fromCodePoint(point);
    [point, needed, seen] = [0, 0, 0];
  }
  return needed === 0 ? text : `${text}\ufffd`;
}
