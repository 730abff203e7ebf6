import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QvacError } from '../../src/errors.ts';
import { renderPrompt } from '../../src/model/prompt.ts';
import type { Input } from '../../src/protocol/messages.ts';

function render(template: string, input: Partial<Input> = {}): string {
  return renderPrompt(
    { template, bosToken: '<s>', eosToken: '</s>' },
    { messages: [{ role: 'user', content: 'Hi' }], template: 'gguf', options: {}, ...input },
  );
}

function refusal(code: string, message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof QvacError && error.code === code && message.test(error.message) && !error.message.includes('\n');
}

describe('rendering a chat template, section 2', () => {
  it('gives the template messages, the generation prompt, BOS, EOS and the options', () => {
    const template =
      '{{ bos_token }}{% for m in messages %}[{{ m.role }}:{{ m["content"] }}]{% endfor %}{{ eos_token }}{% if add_generation_prompt %}>{% endif %}{{ thinking }}{{ level + 1 }}';
    assert.equal(
      render(template, {
        messages: [
          { role: 'system', content: 'a' },
          { role: 'user', content: 'b' },
        ],
        options: { thinking: false, level: 41 },
      }),
      '<s>[system:a][user:b]</s>>false42',
    );
  });

  it('trims the line after a block and the blanks before one', () => {
    assert.equal(render('a\n  {% if true %}\nb\n  {% endif %}\nc'), 'a\nb\nc');
  });

  it('shows no clock and no other name', () => {
    assert.equal(
      render(
        '{{ strftime_now is defined }}{{ now is defined }}{{ process is defined }}{{ tools is defined }}{{ enable_thinking is defined }}',
      ),
      'falsefalsefalsefalsefalse',
    );
    assert.equal(
      render(
        '{% if not date_string is defined %}{% if strftime_now is defined %}{{ strftime_now("%d") }}{% else %}26 Jul 2024{% endif %}{% endif %}',
      ),
      '26 Jul 2024',
    );
  });

  it('leaves BOS and EOS undefined where the file has none', () => {
    const input: Input = { messages: [{ role: 'user', content: 'x' }], template: 'gguf', options: {} };
    assert.equal(
      renderPrompt(
        { template: '{{ bos_token is defined }}{{ eos_token is defined }}', bosToken: undefined, eosToken: undefined },
        input,
      ),
      'falsefalse',
    );
  });

  it('has what the language itself has', () => {
    assert.equal(
      render(
        '{% set ns = namespace(x=0) %}{% for i in range(4) %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ range(5, 1, -2) | list | length }}',
      ),
      '62',
    );
  });

  it('takes an option of such a name as the language would', () => {
    assert.equal(
      render('{{ namespace }}{{ range }}{{ strftime_now }}', {
        options: { namespace: 'n', range: 'r', strftime_now: 's' },
      }),
      'nrs',
    );
  });

  it('refuses options under names of the rendering itself', () => {
    for (const name of ['messages', 'add_generation_prompt', 'bos_token', 'eos_token', 'raise_exception']) {
      assert.throws(() => render('x', { options: { [name]: 'y' } }), refusal('E_BAD_INPUT', new RegExp(name)));
    }
  });

  it('refuses what the template refuses', () => {
    assert.throws(() => render('{{ raise_exception("roles must\nalternate") }}'), refusal('E_BAD_INPUT', /roles must/));
  });

  it('refuses a broken template', () => {
    for (const template of ['{% if', '{{ 1 + }}', '{{ nothing() }}', '{% for m in 5 %}{% endfor %}'])
      assert.throws(() => render(template), refusal('E_BAD_INPUT', /chat template/));
  });

  it('stops templates that loop, grow or nest beyond all measure', () => {
    for (const template of [
      '{% for i in range(60000) %}{% for j in range(60000) %}x{% endfor %}{% endfor %}',
      '{% for i in range(1000000000) %}{% endfor %}',
      '{% set ns = namespace(x="aaaaaaaa") %}{% for i in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}',
      '{% set ns = namespace(x=[1, 2]) %}{% for i in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
      '{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}',
      `{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`,
      '{{ range(0, 1, 0) }}',
    ]) {
      assert.throws(() => render(template), refusal('E_CONTEXT', /beyond all measure/), template.slice(0, 60));
    }
  });

  it('keeps no state from one rendering to the next', () => {
    const template = '{{ leak is defined }}{% set leak = 1 %}';
    assert.equal(render(template) + render(template), 'falsefalse');
  });
});
