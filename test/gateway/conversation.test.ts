import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inputOf, rawInputOf } from '../../src/gateway/api/conversation.ts';
import { parseJson } from '../../src/gateway/api/json.ts';
import { networkName, offeredModels } from '../../src/gateway/api/models.ts';
import { readChat } from '../../src/gateway/api/openai/chat.ts';
import { readResponse } from '../../src/gateway/api/openai/responses.ts';
import { testDefaults } from '../support/gateway.ts';
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

test('a result answers the first call of its id, of its tool, or of all that has none', () => {
  const call = (id: string | undefined, name: string) => ({ id, name, arguments: '{}' });
  const calls = [call('call_AAAAAAAAA', 'find'), call('call_BBBBBBBBB', 'read'), call('call_AAAAAAAAA', 'find')];
  const { messages } = inputOf(
    [
      { role: 'assistant', content: '', calls: [...calls, call(undefined, 'read')] },
      { role: 'tool', content: '1', name: 'read' },
      { role: 'tool', content: '2', callId: 'call_AAAAAAAAA' },
      { role: 'tool', content: '3' },
      { role: 'tool', content: '4', callId: 'call_AAAAAAAAA', name: 'own' },
      { role: 'tool', content: '5', callId: 'call_ZZZZZZZZZ' },
      { role: 'tool', content: '6', name: 'find' },
      { role: 'tool', content: '7' },
      { role: 'tool', content: '8' },
    ],
    {},
    { system: null },
  );
  const last = messages[0]?.tool_calls?.[3]?.id;
  assert.match(last ?? '', /^[A-Za-z0-9]{9}$/);
  assert.deepEqual(
    messages.slice(1).map(({ content, name, tool_call_id: id }) => [content, name, id]),
    [
      ['1', 'read', 'BBBBBBBBB'],
      ['2', 'find', 'AAAAAAAAA'],
      ['3', 'find', 'AAAAAAAAA'],
      ['4', 'own', 'AAAAAAAAA'],
      ['5', undefined, 'ZZZZZZZZZ'],
      ['6', 'find', undefined],
      ['7', 'read', last],
      ['8', undefined, undefined],
    ],
  );
});

// What each took before grew with the square of the calls: the gateway stood still for a minute and a half.
test('a body full of calls is read in time that grows with its length', { timeout: 60_000 }, () => {
  const defaults = { ...testDefaults };
  const count = 45_000;
  const items = Array.from({ length: count }, () => ({
    type: 'function_call',
    name: 'a',
    arguments: '{}',
    call_id: 'c',
  }));
  const response = readResponse(parseJson(JSON.stringify({ input: items })), defaults);
  assert.equal(
    response.kind === 'completion' && response.request.inference.input.messages[0]?.tool_calls?.length,
    count,
  );
  const calls = Array.from({ length: count }, (_, at) => ({ id: `a${at}`, function: { name: 'a', arguments: '{}' } }));
  const results = Array.from({ length: count }, () => ({ role: 'tool', tool_call_id: 'unknown' }));
  const chat = readChat({ messages: [{ role: 'assistant', tool_calls: calls }, ...results] }, defaults);
  assert.equal(chat.kind === 'completion' && chat.request.inference.input.messages.length, count + 1);
});
