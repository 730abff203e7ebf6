import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BadInputError } from '../../../src/protocol/codec.ts';
import { grammarOfGbnf } from '../../../src/protocol/grammar/compile/gbnf.ts';
import { isInLanguage, randomFrom, randomText } from '../../support/grammars.ts';

/** As llama.cpp hands it out. */
const json = String.raw`
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws

object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws

array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws

string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws

number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws

# Optional space: by convention, applied in this grammar after literal chars when allowed
ws ::= | " " | "\n" [ \t]{0,20}
`;

const cases: readonly (readonly [grammar: string, yes: readonly string[], no: readonly string[]])[] = [
  [json, ['{}', '{"a": [1.5e3, true, "\\u00e9"]}\n'], ['[]', '{"a"}', '{"a": 01}']],
  ['root ::= "yes" | "no"', ['yes', 'no'], ['', 'yesno', 'maybe']],
  ['root ::= "a"+ b? # end\nb ::= [b-d]', ['a', 'aaa', 'aac'], ['', 'b', 'ae']],
  ['root ::= ("x" | "y"){2} .', ['xyz', 'yy\n'], ['xy', 'xyzz']],
  ['root ::= "ab"{1,2}', ['ab', 'abab'], ['', 'abb', 'ababab']],
  ['root ::= "\\x41\\u00e9\\U0001F642\\t"', ['Aé🙂\t'], ['A']],
  ['root ::= [^a-c\\]]*', ['xyz]'.slice(0, 3), '', '🙂'], ['a', ']']],
  ['root ::= line+\r\nline ::= [^\\n]* "\\n"\r\n', ['\n', 'a\n\nb\n'], ['', 'a']],
  ['root ::= "(" root ")" | ""', ['', '()', '((()))'], ['(', '())']],
  ['root ::= ("a"?)* "b"', ['b', 'aab'], ['', 'a']],
];

describe('a grammar in the notation of llama.cpp', () => {
  for (const [grammar, yes, no] of cases)
    it(grammar.trim().split('\n')[0] ?? '', () => {
      const rules = grammarOfGbnf(grammar);
      for (const text of yes) assert.ok(isInLanguage(rules, text), JSON.stringify(text));
      for (const text of no) assert.ok(!isInLanguage(rules, text), JSON.stringify(text));
    });

  it('gives texts that end', () => {
    const rules = grammarOfGbnf(json);
    const random = randomFrom(1);
    for (let at = 0; at < 20; at++) JSON.parse(randomText(rules, random));
  });

  it('may name tokens by their ids', () => {
    assert.deepEqual(grammarOfGbnf('root ::= <[151657]> "x"'), [
      [[1]],
      [
        [
          ['t', 151_657],
          [120, 120],
        ],
      ],
    ]);
  });

  const refused: readonly (readonly [grammar: string, expected: RegExp])[] = [
    ['', /no rule "root"/],
    ['a ::= "x"', /no rule "root"/],
    ['root ::= a', /no rule "a"/],
    ['root ::= root "x" | "y"', /the rule "root" is left-recursive/],
    ['root ::= a "x"\na ::= b\nb ::= a | "y"', /the rule "[ab]" is left-recursive/],
    ['root ::= a*\na ::= "x"?', /left-recursive/],
    ['root ::= "x" root', /derives no text/],
    ['root ::= "x" | a\na ::= "y" a', /the rule "a" derives no text/],
    ['root ::= "x', /line 1: expected the end of a literal or set/],
    ['root ::= "x"\n\nother := "y"', /line 3: expected "::=", got ":= \\"y\\""/],
    ['root ::= ("x"', /line 1: expected "\)"/],
    ['root ::= [z-a]', /a range in its order/],
    ['root ::= "x"{2,1}', /repetitions in its order/],
    ['root ::= "x"{1000000}', /a number of repetitions/],
    ['root ::= "\\q"', /an escape/],
    ['root ::= <think>', /the end of the line, got "<think>"/],
    ['root ::= "a"\nroot ::= "b"', /two rules "root"/],
    [`root ::= ${'('.repeat(100)}`, /brackets more than 64 deep/],
    [`root ::= "${'x'.repeat(20_000)}"`, /at most 65536 bytes/],
    [`root ::= "${'x'.repeat(300_000)}"`, /more than 262144 characters/],
    [Array.from({ length: 5_000 }, (_, at) => `r${at} ::= "${at}"`).join('\n'), /more than the 4096 rules/],
  ];
  for (const [grammar, expected] of refused)
    it(`is refused in one line: ${grammar.slice(0, 30).replaceAll('\n', ' ')}`, () => {
      assert.throws(
        () => grammarOfGbnf(grammar),
        (error) => error instanceof BadInputError && expected.test(error.message) && !error.message.includes('\n'),
      );
    });
});
