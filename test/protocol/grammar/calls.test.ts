import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CallForm, grammarOfCalls } from '../../../src/protocol/grammar/compile/calls.ts';
import { isInLanguage } from '../../support/grammars.ts';

const form: CallForm = {
  beforeName: ['<tool_call>\n{"name": "'],
  beforeArguments: ['", "arguments": '],
  afterArguments: ['}\n</tool_call>'],
  between: ['\n'],
};
const functions = [
  {
    name: 'get_weather',
    parameters: {
      properties: { city: { $ref: '#/$defs/city' } },
      required: ['city'],
      $defs: { city: { type: 'string', maxLength: 5 } },
    },
  },
  { name: 'get', parameters: {} },
  { name: 'now' },
];
const weather = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>';
const now = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>';

describe('the grammar of answers that call a function', () => {
  it('takes calls of the functions alone, with arguments that fit', () => {
    const rules = grammarOfCalls(functions, form);
    for (const text of [weather, now, `${now}\n${weather}`, now.replace('now', 'get')])
      assert.ok(isInLanguage(rules, text), text);
    for (const text of [
      '',
      'Hello!',
      `Hello! ${now}`,
      `${now}\n`,
      now.replace('now', 'then'),
      now.replace('now', 'get_'),
      now.replace('{}', '[]'),
      weather.replace('"Oslo"', '5'),
      weather.replace('Oslo', 'Trondheim'),
    ])
      assert.ok(!isInLanguage(rules, text), text);
  });

  it('takes one call where several are not wanted', () => {
    const rules = grammarOfCalls(functions, { ...form, between: null });
    assert.ok(isInLanguage(rules, now));
    assert.ok(!isInLanguage(rules, `${now}\n${now}`));
  });

  it('holds tokens that have no text', () => {
    const [whole, ...others] = grammarOfCalls([{ name: 'now' }], {
      ...form,
      beforeName: [{ token: 9 }],
      between: null,
    });
    assert.deepEqual(whole?.[0]?.[0], ['t', 9]);
    assert.ok(others.length > 0);
  });
});
