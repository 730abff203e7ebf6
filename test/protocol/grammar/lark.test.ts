import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BadInputError } from '../../../src/protocol/codec.ts';
import { grammarOfCalls } from '../../../src/protocol/grammar/compile/calls.ts';
import { larkItems } from '../../../src/protocol/grammar/compile/lark.ts';
import { RuleBuilder } from '../../../src/protocol/grammar/compile/rule-builder.ts';
import type { GrammarRules } from '../../../src/protocol/grammar/rules.ts';
import { isInLanguage } from '../../support/grammars.ts';

/** The patches of a coding agent. */
const patches = `
start: begin_patch hunk+ end_patch   // a comment
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?

hunk: add_hunk | delete_hunk
    | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change_move? change?

filename: /(.+)/
add_line: "+" /(.*)/ LF -> line

change_move: "*** Move to: " filename LF
change: (change_context | change_line)+ eof_line?
change_context: ("@@" | "@@ " /(.+)/) LF
change_line: ("+" | "-" | " ") /(.*)/ LF
eof_line: "*** End of File" LF

%import common.LF
`;
const patch = '*** Begin Patch\n*** Update File: a.ts\n@@ f\n-old "x"\n+new\\y\n*** End Patch\n';

const cases: readonly (readonly [grammar: string, yes: readonly string[], no: readonly string[]])[] = [
  [
    patches,
    [patch, '*** Begin Patch\n*** Add File: b\n+\n*** End Patch', '*** Begin Patch\n*** Delete File: b\n*** End Patch'],
    ['', '*** Begin Patch\n*** End Patch', patch.replace('Update', 'Change'), `${patch}\n`],
  ],
  ['start: "yes"i | NO\nNO: "no"', ['yes', 'YeS', 'no'], ['', 'No', 'yesno']],
  ['?start: "a".."c" ~ 2..3 ["!"]', ['ab', 'cba', 'ab!'], ['a', 'abca', 'ad', 'ab!!']],
  [
    [
      'start: value ("," value)*\nvalue: NUMBER | CNAME',
      '%import common (NUMBER, CNAME)\n%import common.WS -> SPACE\n%ignore SPACE',
    ].join('\n'),
    ['1', '1,x', ' 1 ,\n x2 ', '1.5e3,.5'],
    ['', ',', '1,', '1 2 '],
  ],
  ['start: "if" "x"\n%ignore / +/', ['ifx', '  if  x '], ['i f x', 'if\tx']],
  [String.raw`start: /\/\w\/{2}/ "\u00e9\"\\" | /[^\/]/ # end`, ['/a//é"\\', 'b'], ['/', '//', '/a/é']],
];

function rulesOf(source: string): GrammarRules {
  const rules = new RuleBuilder();
  return rules.finish(larkItems(rules, source, (ranges) => [ranges]));
}

describe('grammars in Lark’s notation', () => {
  for (const [source, yes, no] of cases) {
    it(`takes ${JSON.stringify(source.trim().slice(0, 60))}`, () => {
      const rules = rulesOf(source);
      for (const text of yes) assert.ok(isInLanguage(rules, text), text);
      for (const text of no) assert.ok(!isInLanguage(rules, text), text);
    });
  }

  it('names what it does not take, with the line', () => {
    const bad: readonly (readonly [source: string, words: RegExp])[] = [
      ['begin: "a"', /no rule "start"/],
      ['start: other', /no rule "other"/],
      ['start: "a"\nstart: "b"', /two rules "start"/],
      ['start: "a"\n  ~ x', /line 2/],
      ['start: "a', /line 1: expected the end of a text/],
      ['start: /a/s', /the flags s/],
      ['start: /(?=a)/', /not supported/],
      ['start: A\n%import other.A', /elsewhere than common/],
      ['start: A\n%import common.A', /"A", which is not in common/],
      ['start: pair{"a", "b"}', /line 1/],
      ['%declare A\nstart: A', /line 1: expected a rule/],
      ['start: start "a" | "b"', /left-recursive/],
      ['start: line*\nline: /.*/', /left-recursive/],
      ['start: "b".."a"', /in their order/],
      [`start: ${'('.repeat(100)}`, /more than 64 deep/],
      [`start: "${'a'.repeat(300_000)}"`, /more than 262144 characters/],
    ];
    for (const [source, words] of bad)
      assert.throws(
        () => rulesOf(source),
        (error) => error instanceof BadInputError && words.test(error.message),
        source.slice(0, 60),
      );
  });

  it('follows bombs in time, with few rules', () => {
    const nested = `start: ${'('.repeat(8)}"a"${'~ 1..999)'.repeat(8)}`;
    const doubling = `start: a0\n${Array.from({ length: 60 }, (_, at) => `a${at}: a${at + 1} a${at + 1}?`).join('\n')}\na60: "a"`;
    const pattern = 'start: /((((a{1,900}b?){1,900}c?){1,900}d?){1,900}e?){1,900}/';
    for (const source of [nested, doubling, pattern]) {
      const rules = rulesOf(source);
      assert.ok(rules.length < 500, `${rules.length} rules`);
      assert.ok(isInLanguage(rules, 'a'));
    }
  });

  it('becomes the input of a call, as a JSON string', () => {
    const form = { beforeName: ['{"name": "'], beforeArguments: ['", "arguments": '], afterArguments: ['}'] };
    const rules = grammarOfCalls(
      [
        { name: 'apply_patch', text: { syntax: 'lark', definition: patches } },
        { name: 'grep', text: { syntax: 'regex', definition: '[a-z"]{1,5}' } },
        { name: 'say', text: { syntax: 'any', definition: '' } },
      ],
      { ...form, between: null },
    );
    const call = (name: string, input: string): string =>
      `{"name": "${name}", "arguments": {"input": ${JSON.stringify(input)}}}`;
    for (const [name, input] of [
      ['apply_patch', patch],
      ['grep', 'a"b'],
      ['say', 'a\n\\ "'],
    ] as const)
      assert.ok(isInLanguage(rules, call(name, input)), name);
    assert.ok(!isInLanguage(rules, call('apply_patch', 'x')));
    assert.ok(!isInLanguage(rules, call('grep', 'A')));
  });
});
