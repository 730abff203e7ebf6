import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { createDictatedEngine } from '../../support/dictated-engine.ts';
import { fetchReceipt, startGateway, testDefaults } from '../../support/gateway.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const model = 'scripted/q8_0';
const messages = [{ role: 'user' as const, content: 'Hi' }];
const parameters = {
  type: 'object',
  properties: { unit: { enum: ['celsius'] }, exact: { type: 'boolean' } },
  required: ['unit', 'exact'],
};
const tools = ['set_unit', 'set', 'other'].map((name) => ({
  type: 'function' as const,
  function: { name, parameters },
}));

test('a forced call fits its schema, whatever the model would say, and is verified exactly', async (context) => {
  const engine = createDictatedEngine('No, I will not.');
  const { url } = await startGateway(context, {
    providers: [{ engine, offering: { can: ['tools'] } }],
    here: [engine],
    gateway: { defaults: { ...testDefaults, maxTokens: 400 } },
  });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  const ask = async (choice: OpenAI.ChatCompletionToolChoiceOption) => {
    const { data, response } = await client.chat.completions
      .create({ model, messages, tools, tool_choice: choice, parallel_tool_calls: false })
      .withResponse();
    const receipt = await fetchReceipt(url, response.headers.get('x-qvac-receipt'));
    assert.equal(receipt.headers.get('x-qvac-verified'), 'exact');
    const [answer] = data.choices;
    assert.deepEqual([answer?.finish_reason, answer?.message.content], ['tool_calls', null]);
    return (answer?.message.tool_calls ?? []).flatMap((call) => (call.type === 'function' ? call.function : []));
  };
  const [any, ...more] = await ask('required');
  assert.equal(more.length, 0);
  assert.ok(tools.some((tool) => tool.function.name === any?.name));
  const fits = JSON.parse(any?.arguments ?? '') as { unit: string; exact: unknown };
  assert.deepEqual([fits.unit, typeof fits.exact], ['celsius', 'boolean']);
  // Its name is the beginning of another's.
  const named = await ask({ type: 'function', function: { name: 'set' } });
  assert.deepEqual(
    named.map(({ name }) => name),
    ['set'],
  );
});

test('beside a form of the answer, the model either calls a tool or answers in the form', async (context) => {
  const call = '<tool_call>\n{"name": "set", "arguments": {"unit": "celsius", "exact": true}}\n</tool_call>';
  const inside = '{"note": "<tool_call><function=set><parameter=unit>celsius</parameter></function></tool_call>"}';
  const schema = { type: 'object', properties: { note: { type: 'string' } }, required: ['note'] };
  // What it says in front of a call or a form is left out by the grammar.
  const said: readonly (readonly [says: string, calls: number, content: string | null])[] = [
    [call, 1, null],
    [`${call}\n${call}`, 2, null],
    ['{"note": "sunny"}', 0, '{"note": "sunny"}'],
    [inside, 0, inside],
  ];
  for (const [says, calls, content] of said) {
    const engine = createDictatedEngine(says);
    const { url } = await startGateway(context, {
      providers: [{ engine, offering: { can: ['tools'] } }],
      here: [engine],
      gateway: { defaults: { ...testDefaults, maxTokens: 400 } },
    });
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
    const format = { type: 'json_schema' as const, json_schema: { name: 'note', schema } };
    const { data, response } = await client.chat.completions
      .create({ model, messages, tools, response_format: format })
      .withResponse();
    const [answer] = data.choices;
    assert.equal(answer?.message.content, content);
    assert.equal(answer?.message.tool_calls?.length ?? 0, calls);
    assert.equal(answer?.finish_reason, calls > 0 ? 'tool_calls' : 'stop');
    const receipt = await fetchReceipt(url, response.headers.get('x-qvac-receipt'));
    assert.equal(receipt.headers.get('x-qvac-verified'), 'exact');
    const streamed = await client.chat.completions
      .stream({ model, messages, tools, response_format: format })
      .finalChatCompletion();
    assert.equal(streamed.choices[0]?.message.content || null, content);
    // A call that must come leaves the form no place.
    const [forced] = (
      await client.chat.completions.create({
        model,
        messages,
        tools,
        response_format: format,
        tool_choice: 'required',
        parallel_tool_calls: false,
      })
    ).choices;
    assert.equal(forced?.finish_reason, 'tool_calls');
    const ollama = await fetch(`${url}/api/chat`, {
      method: 'POST',
      body: JSON.stringify({ model, messages, tools, format: schema, stream: false }),
    });
    const { message } = (await ollama.json()) as { readonly message: { content: string; tool_calls?: unknown[] } };
    assert.deepEqual([message.content, message.tool_calls?.length ?? 0], [content ?? '', calls]);
  }
});

test('whatever a model draws, an answer beside tools ends as a call or in the form', async (context) => {
  const engine = createScriptedEngine({ stopAfter: null });
  const { url } = await startGateway(context, {
    providers: [{ engine, offering: { can: ['tools'] } }],
    here: [engine],
    gateway: { defaults: { ...testDefaults, maxTokens: 1_000 } },
  });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  const schema = { enum: ['yes', 'no', 17] };
  const kinds = new Set<string>();
  for (let seed = 0; seed < 12; seed++) {
    const [answer] = (
      await client.chat.completions.create({
        model,
        messages,
        tools,
        seed,
        temperature: 1,
        parallel_tool_calls: false,
        response_format: { type: 'json_schema', json_schema: { name: 'word', schema } },
      })
    ).choices;
    const [call] = answer?.message.tool_calls ?? [];
    kinds.add(answer?.finish_reason ?? '');
    if (call?.type === 'function') assert.equal(JSON.parse(call.function.arguments).unit, 'celsius');
    else assert.ok(['"yes"', '"no"', '17'].includes(answer?.message.content ?? ''), answer?.message.content ?? '');
  }
  assert.deepEqual([...kinds].sort(), ['stop', 'tool_calls']);
});

test('a schema that cannot be followed is refused if calls are forced or have a form beside them', async (context) => {
  const { url } = await startGateway(context, { providers: [{ offering: { can: ['tools'] } }] });
  const odd = { type: 'function', function: { name: 'f', parameters: { type: 'object', $dynamicRef: '#x' } } };
  for (const body of [{ tool_choice: 'required' }, { response_format: { type: 'json_object' } }]) {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model, messages, tools: [odd], ...body }),
    });
    assert.equal(response.status, 400);
    assert.match(await response.text(), /\$dynamicRef/);
  }
});
