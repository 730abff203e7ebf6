import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inputOf, rawInputOf } from '../../src/gateway/api/conversation.ts';
import { networkName, offeredModels } from '../../src/gateway/api/models.ts';
import { testModel } from '../support/offers.ts';

test('an input carries what a message says, and the operator’s system message if there is none', () => {
  const messages = [
    { role: 'user', content: 'Hi', name: 'bob' },
    { role: 'assistant', content: 'Red', reasoning: 'hm' },
  ] as const;
  const expected = [
    { role: 'user', content: 'Hi', name: 'bob' },
    { role: 'assistant', content: 'Red', reasoning_content: 'hm' },
  ];
  const input = inputOf(messages, { enable_thinking: false }, { system: null });
  assert.match(input.date ?? '', /^\d{4}-\d\d-\d\d$/);
  assert.deepEqual(input, {
    messages: expected,
    template: 'gguf',
    options: { enable_thinking: false },
    tools: null,
    date: input.date,
    continuation: [],
  });
  const silent = [{ role: 'user', content: 'Hi', name: '', reasoning: '' }] as const;
  assert.deepEqual(inputOf(silent, {}, { system: null }).messages, [{ role: 'user', content: 'Hi' }]);
  assert.deepEqual(inputOf(messages, {}, { system: 'Be brief' }).messages, [
    { role: 'system', content: 'Be brief' },
    ...expected,
  ]);
  const own = [{ role: 'system', content: 'Be long' } as const];
  assert.deepEqual(inputOf(own, {}, { system: 'Be brief' }).messages, own);
  assert.deepEqual(rawInputOf('x'), {
    messages: [{ role: 'user', content: 'x' }],
    template: 'raw',
    options: {},
    tools: null,
    date: null,
    continuation: [],
  });
});

test('a model is found by the names that clients use, exact ones first', () => {
  const models = [testModel('Qwen3-4B', 'Q4_K_M'), testModel('qwen3:4b', 'q8_0'), testModel('upper', 'q8_0')];
  const live = [{ card: { role: 'provider', issuedAt: 0, models } }] as never;
  const offered = offeredModels(live);
  const id = offered.find(({ name }) => name === 'upper/q8_0')?.id ?? assert.fail();
  for (const [asked, known] of [
    ['Qwen3-4B', 'Qwen3-4B'],
    ['qwen3-4b', 'Qwen3-4B'],
    ['qwen3-4b:latest', 'Qwen3-4B'],
    ['QWEN3-4B:q4_k_m', 'Qwen3-4B/Q4_K_M'],
    ['qwen3-4b/q4_k_m', 'Qwen3-4B/Q4_K_M'],
    ['qwen3:4b', 'qwen3:4b'],
    ['QWEN3:4B', 'qwen3:4b'],
    ['qwen3:4b:latest', 'qwen3:4b'],
    ['qwen3:4b/q8_0', 'qwen3:4b/q8_0'],
    ['UPPER:LATEST', 'upper'],
    [id.toUpperCase(), id],
    ['absent', 'absent'],
    ['absent:latest', 'absent'],
    ['absent:q4_0', 'absent/q4_0'],
    ['Absent:Q4_0', 'Absent/Q4_0'],
    [':', ':'],
    [':latest', ':latest'],
    ['', ''],
  ] as const)
    assert.equal(networkName(offered, asked), known, asked);
});
