import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { escapeActing, printable, printableName, printableText } from '../../src/terminal/printable.ts';

const hostile = '\u001b]0;title\u0007\u001b[2J\u009b31m\u202egnp.exe\u2066\u2028\r\b\u0000\u007f\ud800';
const acting = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]/;

describe('printable', () => {
  it('lets no control, escape or direction character of a stranger through', () => {
    assert.doesNotMatch(printable(hostile), acting);
    assert.doesNotMatch(printable(`a\nb\tc`), /[\n\t]/);
    assert.doesNotMatch(printableText(hostile), acting);
    assert.equal(printable('qwen3-4b · Grüße 你好 👩‍👩‍👧'), 'qwen3-4b · Grüße 你好 👩‍👩‍👧');
  });

  it('keeps a stranger’s name one fact of a line and one cell of a table', () => {
    const dots = '\u00b7\u0387\u2022\u2027\u2219\u22c5\u30fb';
    for (const dot of dots) assert.equal(printableName(`RTX ${dot} free`), 'RTX \u{fffd} free');
    for (const blank of ['  ', '\u00a0\u2003', '\u3000', '\u2800 \u3164'])
      assert.equal(printableName(`RTX${blank}free ${blank}`), 'RTX free');
    assert.doesNotMatch(printableName(hostile), acting);
    assert.equal(printableName('qwen3-4b q4_k_m, Grüße 你好 (GPU) – 2×'), 'qwen3-4b q4_k_m, Grüße 你好 (GPU) – 2×');
  });

  it('keeps line breaks and tabs of an answer, and drops other acting characters', () => {
    assert.equal(printableText('one\n\ttwo \u001b[31mred\u001b[0m 你好\r\n'), 'one\n\ttwo [31mred[0m 你好\n');
  });

  it('cuts a line at its maximum length', () => {
    assert.equal(printable('x'.repeat(300)).length, 200);
    assert.equal(printable('abcdef', 4), 'abc…');
    assert.equal(printableText('x'.repeat(300)).length, 300);
  });

  it('does not depend on how a text is cut into pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), (pieces) => {
        assert.equal(pieces.map(printableText).join(''), printableText(pieces.join('')));
      }),
      { seed: 1 },
    );
  });

  it('escapes without changing the value', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const escaped = escapeActing(JSON.stringify(text));
        assert.equal(JSON.parse(escaped), text);
        assert.doesNotMatch(escaped, /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e]/u);
      }),
      { seed: 1 },
    );
    assert.equal(JSON.parse(escapeActing(JSON.stringify(hostile))), hostile);
  });
});
