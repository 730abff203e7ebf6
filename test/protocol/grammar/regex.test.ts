import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { BadInputError } from '../../../src/protocol/codec.ts';
import { grammarOfJsonSchema } from '../../../src/protocol/grammar/compile/json-schema.ts';
import { grammarOfRegex } from '../../../src/protocol/grammar/compile/regex.ts';
import { isInLanguage } from '../../support/grammars.ts';

/** Patterns of JavaScript over a small alphabet. */
const patterns = fc.letrec<{ pattern: string }>((tie) => ({
  pattern: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(
      'a',
      'b',
      '.',
      '\\d',
      '\\D',
      '\\w',
      '\\s',
      '[ab]',
      '[^a]',
      '[a-c1]',
      '[\\d\\n]',
      '\\x61',
      '\\u{e9}',
      '\\.',
      'é',
      '🙂',
    ),
    fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `${a}${b}`),
    fc.tuple(tie('pattern'), tie('pattern')).map(([a, b]) => `(?:${a}|${b})`),
    fc
      .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '{2}', '{0,2}', '{1,}', '{0}', '*?'))
      .map(([a, count]) => `(${a})${count}`),
  ),
}));
const texts = fc
  .array(fc.constantFrom('a', 'b', 'c', '1', '.', ' ', '\n', 'é', '🙂', '_'), { maxLength: 6 })
  .map((all) => all.join(''));

describe('a regular expression as a grammar', () => {
  it('holds the texts that JavaScript matches', () => {
    let matched = 0;
    fc.assert(
      fc.property(patterns.pattern, fc.array(texts, { minLength: 10, maxLength: 10 }), (pattern, tried) => {
        const rules = grammarOfRegex(pattern);
        const expression = new RegExp(`^(?:${pattern})$`, 'u');
        for (const text of tried) {
          assert.equal(isInLanguage(rules, text), expression.test(text), `${pattern} and ${JSON.stringify(text)}`);
          if (expression.test(text)) matched++;
        }
      }),
      { seed: 5, numRuns: 1_500 },
    );
    assert.ok(matched > 1_000, `${matched}`);
  });

  it('is searched for in a string of a schema, between the ends that it names', () => {
    fc.assert(
      fc.property(
        patterns.pattern,
        fc.constantFrom(['', ''], ['^', ''], ['', '$'], ['^', '$']),
        fc.array(texts, { minLength: 6, maxLength: 6 }),
        (inner, [start, end], tried) => {
          const pattern = `${start}${inner}${end}|^b$`;
          const rules = grammarOfJsonSchema({ type: 'string', pattern });
          for (const text of tried)
            assert.equal(
              isInLanguage(rules, JSON.stringify(text)),
              new RegExp(pattern, 'u').test(text),
              `${pattern} and ${JSON.stringify(text)}`,
            );
        },
      ),
      { seed: 6, numRuns: 500 },
    );
  });

  const refused: readonly (readonly [pattern: string, expected: RegExp])[] = [
    ['(?=a)', /"\(\?=" at 0, which is not supported/],
    ['(?<!a)b', /"\(\?<" at 0/],
    ['(a)\\1', /"\\1" at 3/],
    ['\\bword', /"\\b" at 0/],
    ['\\p{L}', /"\\p" at 0/],
    ['(?i:a)', /"\(\?i" at 0/],
    ['(a', /a group that is not closed, at 2/],
    ['[a', /a set that is not closed, at 2/],
    ['a**', /a quantifier behind another, at 2/],
    ['*a', /"\*" at 0/],
    ['a{3,2}', /a quantifier out of order: \{3,2\}/],
    ['a{1000000}', /"\{" at 1/],
    ['a$b', /"b" at 2/],
    ['a^', /"\^" at 1/],
    ['[b-a]', /a range out of order/],
    ['[]', /a set without characters/],
    ['\\', /"\\" at 0/],
    ['('.repeat(100), /nesting deeper than 64/],
    [`(${'a?'.repeat(5_000)})*`, /repeats more than 100 parts that may all be empty/],
    ['x'.repeat(20_000), /at most 65536 bytes/],
  ];
  for (const [pattern, expected] of refused)
    it(`refuses ${pattern.slice(0, 20)} in one line`, () => {
      assert.throws(
        () => grammarOfRegex(pattern),
        (error) => error instanceof BadInputError && expected.test(error.message) && !error.message.includes('\n'),
      );
    });

  it('compiles optional parts in repeated groups, each of which has the one within it twice', () => {
    const nested = (depth: number): string => `${'(a?'.repeat(depth)}b?${')*'.repeat(depth)}c`;
    assert.ok(grammarOfRegex(nested(60)).length < 200);
    for (const text of ['c', 'aabbac', 'aab', 'ca'])
      assert.equal(isInLanguage(grammarOfRegex(nested(3)), text), /^[ab]*c$/.test(text), text);
  });

  for (const bomb of [
    '(a*)*b',
    '((((a+)+)+)+)+b',
    '(a|a)*b',
    '(a|aa)+b',
    '(.*)*x',
    '(a{1,100}){1,100}b',
    '(x{0,9999}y{0,9999}){0,99}b',
  ])
    it(`follows ${bomb} in time`, () => {
      const rules = grammarOfRegex(bomb);
      assert.equal(isInLanguage(rules, 'a'.repeat(40)), new RegExp(`^(?:${bomb})$`).test('a'));
    });
});
