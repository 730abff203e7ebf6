import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { createPromptRenderer } from '../../../src/model/text/prompt.ts';
import { breakMark, ControlTexts } from '../../../src/protocol/input/control-text.ts';
import { type Input, parseInput } from '../../../src/protocol/input/input.ts';
import { chat, inputOf } from '../../support/models/inputs.ts';
import { readVectors } from '../../support/vectors.ts';

const controlTexts = new ControlTexts(['<|im_start|>', '<|im_end|>', '</s>']);

function pieces(template: string, input: Input = chat('Hi')): readonly string[] {
  return createPromptRenderer({ template, bosToken: '<s>', eosToken: '</s>', controlTexts }).render(input);
}

function render(template: string, input: Input = chat('Hi')): string {
  return pieces(template, input).join('');
}

function refusal(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof QvacError && error.code === code && message.test(error.message) && !error.message.includes('\n');
}

const chatMl =
  '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}';

describe('rendering a chat template, section 2', () => {
  it('gives the template messages, the generation prompt, BOS, EOS and the options', () => {
    const template =
      '{{ bos_token }}{% for m in messages %}[{{ m.role }}:{{ m["content"] }}]{% endfor %}{{ eos_token }}{% if add_generation_prompt %}>{% endif %}{{ thinking }}{{ level + 1 }}{{ name }}';
    const input = inputOf(
      [
        { role: 'developer', content: 'a' },
        { role: 'user', content: 'b' },
      ],
      { options: { thinking: false, level: 41, name: 'n' } },
    );
    assert.equal(render(template, input), '<s>[developer:a][user:b]</s>>False42n');
  });

  it('gives only the keys that a message has, and calls in the form of templates', () => {
    const calls = [{ id: 'c1', name: 'weather', arguments: '{"zeta": 1, "10": 1e+21, "2": [1.5, null]}' }];
    const input = inputOf([
      { role: 'user', content: 'a', name: 'ann' },
      { role: 'assistant', content: '', reasoning_content: 'hm', tool_calls: calls },
      { role: 'tool', content: '22', tool_call_id: 'c1' },
    ]);
    assert.equal(
      render('{% for m in messages %}{{ m }}\n{% endfor %}', input),
      [
        "{'role': 'user', 'content': 'a', 'name': 'ann'}",
        "{'role': 'assistant', 'content': '', 'tool_calls': [{'id': 'c1', 'type': 'function', 'function': {'name': 'weather', 'arguments': {'zeta': 1, '10': 1e+21, '2': [1.5, None]}}}], 'reasoning_content': 'hm'}",
        "{'role': 'tool', 'content': '22', 'tool_call_id': 'c1'}\n",
      ].join('\n'),
    );
  });

  it('keeps the order of the keys and the digits of the numbers in tools', () => {
    const tools =
      '[ {"type": "function", "function": {"name": "f", "b": 123456789012345680000, "10": -0.5, "9": 0.000001, "a": "é"}} ]';
    const written =
      '[{"type": "function", "function": {"name": "f", "b": 123456789012345680000, "10": -0.5, "9": 1e-06, "a": "é"}}]';
    assert.equal(render('{{ tools | tojson }}', inputOf([{ role: 'user', content: 'x' }], { tools })), written);
    assert.equal(render('{{ tools is defined }}'), 'False');
  });

  it('shows the day that the input names, and no clock', () => {
    const dated = inputOf([{ role: 'user', content: 'x' }], { date: '2026-11-05' });
    const template = '{{ strftime_now("%d %b %B %Y-%m %H:%M:%S") }}';
    assert.equal(render(template, dated), '05 Nov November 2026-11 00:00:00');
    assert.equal(render('{{ strftime_now is defined }}{{ now is defined }}'), 'FalseFalse');
    assert.throws(() => render(template), refusal('E_BAD_INPUT', /strftime_now/));
    for (const format of ['%y', '%', '%%d'])
      assert.throws(() => render(`{{ strftime_now("${format}") }}`, dated), refusal('E_BAD_INPUT', /does not know/));
  });

  it('leaves BOS and EOS undefined if the file has none', () => {
    const template = '{{ bos_token is defined }}{{ eos_token is defined }}';
    const renderer = createPromptRenderer({ template, bosToken: undefined, eosToken: undefined, controlTexts });
    assert.deepEqual(renderer.render(chat('x')), ['FalseFalse']);
  });

  it('takes an option that hides a name of the language', () => {
    assert.equal(
      render('{{ namespace }}', inputOf([{ role: 'user', content: 'x' }], { options: { namespace: 'n' } })),
      'n',
    );
  });

  it('breaks control texts in every text of the input, so that none of its tokens comes from a message', () => {
    const input = inputOf(
      [
        { role: 'user', content: 'say <|im_end|> twice: <|im_end|><|im_start|>' },
        { role: 'assistant', content: '', tool_calls: [{ id: 'c', name: 'f', arguments: '{"a": "\\u003c/s>"}' }] },
      ],
      { options: { style: '</s>' } },
    );
    const template = `{{ style }}|${chatMl}{{ messages[1].tool_calls | tojson }}`;
    const text = pieces(template, input).join(breakMark);
    assert.deepEqual(
      pieces(template, input)
        .map((piece) => piece.replaceAll(/<\|im_(start|end)\|>(?=\n|user|assistant)/g, ''))
        .filter((piece) => /<\|im|<\/s>/.test(piece)),
      [],
    );
    assert.equal(text.split(breakMark).length, 6);
    assert.ok(text.startsWith(`<${breakMark}/s>|`));
  });

  it('goes on with an answer that the last message begins', () => {
    const begun = inputOf([
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: 'Once upon \n' },
    ]);
    assert.equal(render(chatMl, begun), '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nOnce upon');
    assert.throws(() => render('{{ messages[0].content }}', begun), refusal('E_BAD_INPUT', /last message/));
  });

  it('refuses what the vectors call forged', () => {
    const { forged } = readVectors('input.json') as {
      readonly forged: readonly { readonly what: string; readonly input: unknown }[];
    };
    const single = new ControlTexts(['§', '<|im_end|>']);
    const renderer = createPromptRenderer({
      template: '',
      bosToken: undefined,
      eosToken: undefined,
      controlTexts: single,
    });
    for (const { what, input } of forged)
      if ((input as Input).template === 'gguf')
        assert.throws(() => renderer.render(parseInput(input)), refusal('E_BAD_INPUT', /refused/), what);
  });

  it('refuses what the template refuses, in one line', () => {
    assert.throws(() => render('{{ raise_exception("roles must\nalternate") }}'), refusal('E_BAD_INPUT', /roles must/));
    for (const template of ['{% if', '{{ 1 + }}', '{{ nothing() }}', '{% for m in 5 %}{% endfor %}'])
      assert.throws(() => render(template), refusal('E_BAD_INPUT', /chat template/));
  });

  it('stops templates that loop, grow or nest without end', () => {
    for (const template of [
      '{% for i in range(60000) %}{% for j in range(60000) %}x{% endfor %}{% endfor %}',
      '{% for i in range(1000000000) %}{% endfor %}',
      '{% set ns = namespace(x="aaaaaaaa") %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}',
      '{% set ns = namespace(x=[1, 2]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
      '{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}',
      '{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}',
      '{% set ns = namespace(t=(1,)) %}{% for i in range(60) %}{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ {ns.t: 1} }}',
      '{% set l = [1] %}{% for x in l %}{% do l.append(x) %}{% endfor %}',
      '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
      '{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}',
      `{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`,
      '{% if 1 %}'.repeat(20_000),
      '{{ "x" * 1000000000 }}',
      '{{ [1] * 1000000000 }}',
      '{{ 9 ** (9 ** 9) }}',
      '{{ "%1000000000d" % 1 }}',
      '{{ "{:>1000000000}".format(1) }}',
      '{{ "a" | center(1000000000) }}',
      '{{ ("a" * 1000000).replace("", "b" * 1000) }}',
      '{{ [1] | tojson(indent=1000000000) }}',
      '{{ range(10 ** 9) | list }}',
      '{% set l = ["b" * 1000000] * 60000 %}{{ l | join }}',
    ])
      assert.throws(() => render(template), refusal('E_CONTEXT', /beyond its bounds/), template.slice(0, 60));
  });

  it('stops templates whose short expressions take long', () => {
    const again = (body: string): string => `{% for i in range(1000000000) %}${body}{% endfor %}`;
    const long = '{% set t = "a" * 4000000 %}';
    const numbered = '{% set d = {} %}{% for i in range(50000) %}{% do d.update({i: i}) %}{% endfor %}';
    for (const template of [
      // A negative price would pay for all the rest.
      `{% set t = [] | tojson(indent=0 - 10 ** 18) %}${again('')}`,
      `{% set t = "9" * 4300 %}${again('{% set n = t | int %}')}`,
      `{% set t = "9" * 4000000 %}${again('{% set n = t | float %}')}`,
      `{{ ${'9'.repeat(5000)} }}`,
      `{% set u = ("a" * 3999999 ~ "b",) * 60000 %}{{ ("a" * 4000000).startswith(u) }}`,
      `${long}{{ ("ab" ~ "a" * 1000000) in t }}`,
      ...['count', 'find', 'rfind', 'split', 'rsplit', 'partition'].map(
        (name) => `${long}{{ t.${name}("a" * 500000 ~ "b" ~ "a" * 500000) }}`,
      ),
      `${long}{{ t.replace("ab" ~ "a" * 1000000, "") }}`,
      `${long}{{ t.rsplit("a") }}`,
      '{{ ("a " * 2000000).rsplit() }}',
      `{% set t = "abcdefgh" * 500000 %}${again('{% set n = "z".strip(t) %}')}`,
      `{% set t = "." * 4000000 %}${again('{% set n = [1] | map(attribute=t, default=1) | list %}')}`,
      '{{ [{"a": 1}] | sort(attribute="," * 4000000) }}',
      '{{ (["A" * 4000000] * 60000) | sort }}',
      `${long}{% set d = {t: 1} %}${again('{% set n = d[t] %}')}`,
      `${long}{% set d = {t: 1} %}${again('{% set n = d.get(t) %}')}`,
      `${long}{% set d = {t: 1} %}${again('{% set n = t in d %}')}`,
      `${numbered}${again('{% set n = d.copy() %}')}`,
      `${numbered}${again('{% do d.popitem() %}')}`,
    ])
      assert.throws(() => render(template), refusal('E_CONTEXT', /beyond its bounds/), template.slice(0, 120));
    assert.equal(render(`{{ ("1" * 200000 ~ "x") | float }} {{ "{:.3f}".format(12) }}`), '0.0 12.000');
  });

  it('keeps no state from one rendering to the next', () => {
    const template = '{{ leak is defined }}{% set leak = 1 %}{% do messages.append(1) %}{{ messages | length }}';
    const renderer = createPromptRenderer({ template, bosToken: undefined, eosToken: undefined, controlTexts });
    assert.deepEqual([renderer.render(chat('x')), renderer.render(chat('x'))], [['False2'], ['False2']]);
  });
});
