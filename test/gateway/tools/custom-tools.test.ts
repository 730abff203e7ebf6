import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import OpenAI from 'openai';
import type { Input } from '../../../src/protocol/messages.ts';
import { createDictatedEngine } from '../../support/dictated-engine.ts';
import { fetchReceipt, startGateway, testDefaults } from '../../support/gateway.ts';
import { notingEngine } from '../../support/noting-engine.ts';

const model = 'scripted/q8_0';
const patch = '*** Begin Patch\n*** Delete File: a "b"\n*** End Patch\n';
const grammar = 'start: "*** Begin Patch\\n" (/[^*].*/ "\\n")* "*** Delete File: " /.+/ "\\n*** End Patch\\n"';
const calling = `<tool_call>\n${JSON.stringify({ name: 'apply_patch', arguments: { input: patch } })}\n</tool_call>`;
const description = 'Edits files.';

async function start(
  context: TestContext,
  answers: readonly string[],
): Promise<{ readonly client: OpenAI; readonly url: string; readonly inputs: readonly Input[] }> {
  const { engine, inputs } = notingEngine(createDictatedEngine(answers));
  const { url } = await startGateway(context, {
    providers: [{ engine, offering: { can: ['tools'] } }],
    here: answers.length === 1 ? [engine] : [],
    gateway: { defaults: { ...testDefaults, maxTokens: 400 } },
  });
  return { client: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 }), url, inputs };
}

/** What the model hears of a custom tool, its call and the result. */
function checkHeard(inputs: readonly Input[]): void {
  const { tools, messages } = inputs.at(-1) ?? assert.fail();
  const [heard] = JSON.parse(tools ?? '') as readonly { readonly function: { readonly name: string } }[];
  assert.partialDeepStrictEqual(heard, {
    type: 'function',
    function: { name: 'apply_patch', description, parameters: { type: 'object', required: ['input'] } },
  });
  assert.ok(tools?.includes(JSON.stringify(grammar).slice(1, -1)));
  const [, assistant, result] = messages;
  assert.equal(assistant?.tool_calls?.[0]?.arguments, JSON.stringify({ input: patch }));
  assert.deepEqual([result?.name, result?.content], ['apply_patch', 'Done.']);
}

test('custom tools take texts: a round trip through responses, with the openai client', async (context) => {
  const tools: OpenAI.Responses.Tool[] = [
    {
      type: 'custom',
      name: 'apply_patch',
      description,
      format: { type: 'grammar', syntax: 'lark', definition: grammar },
    },
    { type: 'local_shell' },
    { type: 'web_search' },
  ];
  for (const stream of [false, true]) {
    const { client, inputs } = await start(context, [calling, 'Removed.']);
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: 'Remove a "b".' }];
    const types: string[] = [];
    const ask = async (): Promise<OpenAI.Responses.Response> => {
      if (!stream) return client.responses.create({ model, input, tools });
      const events = client.responses.stream({ model, input, tools });
      events.on('event', ({ type }) => types.push(type));
      return events.finalResponse();
    };
    const response = await ask();
    const [item] = response.output;
    assert.ok(item?.type === 'custom_tool_call');
    assert.deepEqual([item.name, item.input], ['apply_patch', patch]);
    // Those that OpenAI's servers run were left out.
    assert.deepEqual(response.tools, [tools[0]]);
    if (stream)
      assert.deepEqual(types.slice(2, -1), [
        'response.output_item.added',
        'response.custom_tool_call_input.delta',
        'response.custom_tool_call_input.done',
        'response.output_item.done',
      ]);
    input.push(item, { type: 'custom_tool_call_output', call_id: item.call_id, output: 'Done.' });
    assert.equal((await ask()).output_text, 'Removed.');
    checkHeard(inputs);
  }
});

test('custom tools take texts: a round trip through chat completions, with the openai client', async (context) => {
  const format = { type: 'grammar' as const, grammar: { syntax: 'lark' as const, definition: grammar } };
  const tools = [{ type: 'custom' as const, custom: { name: 'apply_patch', description, format } }];
  for (const stream of [false, true]) {
    const { client, inputs } = await start(context, [calling, 'Removed.']);
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Remove a "b".' }];
    const ask = (): Promise<OpenAI.ChatCompletion> =>
      stream
        ? client.chat.completions.stream({ model, messages, tools }).finalChatCompletion()
        : client.chat.completions.create({ model, messages, tools });
    const { message, finish_reason: reason } = (await ask()).choices[0] ?? assert.fail();
    const [call] = message.tool_calls ?? [];
    assert.ok(call?.type === 'custom' && reason === 'tool_calls');
    assert.deepEqual(call.custom, { name: 'apply_patch', input: patch });
    messages.push(message, { role: 'tool', tool_call_id: call.id, content: 'Done.' });
    assert.equal((await ask()).choices[0]?.message.content, 'Removed.');
    checkHeard(inputs);
  }
});

test('a forced custom call holds a text of its grammar, and is verified exactly', async (context) => {
  const { client, url } = await start(context, ['No.']);
  const formats = [
    { syntax: 'lark' as const, definition: 'start: "go " WAY\nWAY: "left" | "right"' },
    { syntax: 'regex' as const, definition: 'go (left|right)' },
  ];
  for (const format of formats) {
    const { data, response } = await client.responses
      .create({
        model,
        input: 'Hi',
        tools: [{ type: 'custom', name: 'walk', format: { type: 'grammar', ...format } }],
        tool_choice: { type: 'custom', name: 'walk' },
      })
      .withResponse();
    const [item] = data.output;
    assert.ok(item?.type === 'custom_tool_call');
    assert.match(item.input, /^go (left|right)$/);
    assert.deepEqual(data.tool_choice, { type: 'custom', name: 'walk' });
    const receipt = await fetchReceipt(url, response.headers.get('x-qvac-receipt'));
    assert.equal(receipt.headers.get('x-qvac-verified'), 'exact');
  }
});

test('what is no text for a custom tool stays text of the answer; an unfit grammar is refused', async (context) => {
  const odd = '<tool_call>\n{"name": "say", "arguments": {"words": ["a"]}}\n</tool_call>';
  const plain = '<tool_call>\n{"name": "say", "arguments": "a b"}\n</tool_call>';
  const { client } = await start(context, [odd, plain]);
  const tools: OpenAI.Responses.Tool[] = [{ type: 'custom', name: 'say' }];
  assert.equal((await client.responses.create({ model, input: 'Hi', tools })).output_text, odd);
  const [item] = (await client.responses.create({ model, input: 'Hi', tools })).output;
  assert.deepEqual([item?.type, item?.type === 'custom_tool_call' && item.input], ['custom_tool_call', 'a b']);
  const refuse = (format: object, choice: object | undefined, words: RegExp): Promise<void> =>
    assert.rejects(
      client.responses.create({
        model,
        input: 'Hi',
        tools: [{ type: 'custom', name: 'say', format: format as OpenAI.CustomToolInputFormat }],
        ...(choice === undefined ? {} : { tool_choice: choice as OpenAI.Responses.ToolChoiceCustom }),
      }),
      words,
    );
  const say = { type: 'custom', name: 'say' };
  await refuse({ type: 'xml' }, undefined, /tools\[0\]\.format\.type/);
  await refuse({ type: 'grammar', syntax: 'gbnf', definition: 'x' }, undefined, /tools\[0\]\.format\.syntax/);
  await refuse({ type: 'grammar', syntax: 'lark' }, undefined, /tools\[0\]\.format\.grammar/);
  const long = 'x'.repeat(65_537);
  await refuse({ type: 'grammar', syntax: 'regex', definition: long }, undefined, /at most 65536 bytes/);
  await refuse({ type: 'grammar', syntax: 'lark', definition: 'start: other' }, say, /no rule "other"/);
  await refuse({ type: 'grammar', syntax: 'regex', definition: '(?=a)' }, say, /tools: .*not supported/);
});

test('allowed_tools: the model hears of these alone; the response repeats what was asked', async (context) => {
  const { client, inputs } = await start(context, ['No.']);
  const parameters = { type: 'object', properties: { deep: { type: 'number', default: 2 ** 60 } } };
  const define = (name: string): OpenAI.Responses.FunctionTool => ({
    type: 'function',
    name,
    parameters,
    strict: null,
  });
  const tools: OpenAI.Responses.Tool[] = [define('add'), define('sub'), { type: 'web_search' }];
  const choice = (mode: 'auto' | 'required', ...names: readonly string[]): OpenAI.Responses.ToolChoiceAllowed => ({
    type: 'allowed_tools',
    mode,
    tools: [...names.map((name) => ({ type: 'function', name })), { type: 'web_search' }],
  });
  const asked = {
    model,
    input: 'Hi',
    tools,
    parallel_tool_calls: false,
    metadata: { topic: 'sums' },
    temperature: 0.5,
    top_p: 0.9,
    text: { verbosity: 'low' as const },
    prompt_cache_key: 'k1',
  };
  const auto = await client.responses.create({ ...asked, tool_choice: choice('auto', 'sub') });
  assert.equal(auto.output_text, 'No.');
  const heard = JSON.parse(inputs.at(-1)?.tools ?? '') as readonly { readonly function: { readonly name: string } }[];
  assert.deepEqual(
    heard.map((tool) => tool.function.name),
    ['sub'],
  );
  assert.partialDeepStrictEqual(auto, {
    parallel_tool_calls: false,
    metadata: asked.metadata,
    temperature: 0.5,
    top_p: 0.9,
    text: { format: { type: 'text' }, verbosity: 'low' },
    prompt_cache_key: 'k1',
    tool_choice: choice('auto', 'sub') as object,
    tools: ['add', 'sub'].map((name) => ({ ...define(name), description: null })),
    store: false,
  });
  const [forced] = (await client.responses.create({ ...asked, tool_choice: choice('required', 'sub') })).output;
  assert.deepEqual([forced?.type, forced?.type === 'function_call' && forced.name], ['function_call', 'sub']);
  await assert.rejects(client.responses.create({ ...asked, tool_choice: choice('auto', 'mul') }), /tool_choice.*"mul"/);
  await assert.rejects(client.responses.create({ ...asked, tool_choice: choice('required') }), /tool_choice/);
  assert.equal((await client.responses.create({ ...asked, tool_choice: choice('auto') })).output_text, 'No.');
  const chatTools = tools
    .slice(0, 2)
    .map((tool) => ({ type: 'function' as const, function: tool as OpenAI.FunctionDefinition }));
  const { choices } = await client.chat.completions.create({
    model,
    messages: [{ role: 'user', content: 'Hi' }],
    tools: chatTools.map(({ type, function: { name } }) => ({ type, function: { name, parameters } })),
    tool_choice: {
      type: 'allowed_tools',
      allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'add' } }] },
    },
  });
  const [call] = choices[0]?.message.tool_calls ?? [];
  assert.equal(call?.type === 'function' ? call.function.name : '', 'add');
});

test('the tools of a namespace are called by their own names within it', async (context) => {
  const calling = '<tool_call>\n{"name": "sums.add", "arguments": {"a": 1}}\n</tool_call>';
  const { client, inputs } = await start(context, [calling, '1.']);
  const parameters = { type: 'object', properties: { a: { type: 'number' } } };
  const tools: OpenAI.Responses.Tool[] = [
    {
      type: 'namespace',
      name: 'sums',
      description: 'Sums.',
      tools: [
        { type: 'function', name: 'add', parameters },
        { type: 'custom', name: 'say' },
      ],
    },
    { type: 'function', name: 'add', parameters, strict: null },
  ];
  const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: 'Add.' }];
  const response = await client.responses.create({ model, input, tools });
  const [item] = response.output;
  assert.ok(item?.type === 'function_call');
  assert.deepEqual([item.namespace, item.name, item.arguments], ['sums', 'add', '{"a":1}']);
  assert.deepEqual(
    response.tools.map((tool) => tool.type),
    ['namespace', 'function'],
  );
  input.push(item, { type: 'function_call_output', call_id: item.call_id, output: '1' });
  assert.equal((await client.responses.create({ model, input, tools })).output_text, '1.');
  const heard = inputs.at(-1) ?? assert.fail();
  const names = (JSON.parse(heard.tools ?? '') as readonly { readonly function: { readonly name: string } }[]).map(
    (tool) => tool.function.name,
  );
  assert.deepEqual(names, ['sums.add', 'sums.say', 'add']);
  assert.equal(heard.messages[1]?.tool_calls?.[0]?.name, 'sums.add');
});
