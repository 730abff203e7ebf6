import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { type Message, Ollama } from 'ollama';
import OpenAI from 'openai';
import type { ChatMessage, Input } from '../../../src/protocol/messages.ts';
import { createDictatedEngine } from '../../support/dictated-engine.ts';
import { startGateway, testDefaults } from '../../support/gateway.ts';
import { notingEngine } from '../../support/noting-engine.ts';

const model = 'scripted/q8_0';
const parameters = { type: 'object' as const, properties: { city: { type: 'string' } } };
const description = 'The weather of a city';
const question = 'Weather in Oslo and Rome?';
const callText = (city: string): string =>
  `<tool_call>\n{"name": "get_weather", "arguments": {"city": "${city}"}}\n</tool_call>`;
const calling = `<think>\nTwo cities.\n</think>\n\nLet me look.\n${callText('Oslo')}\n${callText('Rome')}`;
const offered = JSON.stringify([{ type: 'function', function: { name: 'get_weather', description, parameters } }]);

/** A gateway whose model thinks, says something and makes two calls, then answers; and the inputs it was asked. */
async function start(context: TestContext): Promise<{ readonly url: string; readonly inputs: readonly Input[] }> {
  const { engine, inputs } = notingEngine(createDictatedEngine([calling, 'Rain and sun.']));
  const { url } = await startGateway(context, {
    providers: [{ engine, offering: { can: ['tools'] } }],
    gateway: { defaults: { ...testDefaults, maxTokens: 400 } },
  });
  return { url, inputs };
}

/** The conversation of the second request as the model's template gets it. */
function checkSecond(inputs: readonly Input[], reasoning: string | undefined): void {
  const { messages, tools } = inputs.at(-1) ?? { messages: [], tools: null };
  assert.equal(tools, offered);
  const [user, assistant, ...results] = messages as readonly ChatMessage[];
  assert.deepEqual(user, { role: 'user', content: question });
  assert.equal(assistant?.content, 'Let me look.');
  assert.equal(assistant?.reasoning_content, reasoning);
  const calls = assistant?.tool_calls ?? [];
  assert.deepEqual(
    calls.map(({ name, arguments: json }) => [name, json]),
    [
      ['get_weather', '{"city":"Oslo"}'],
      ['get_weather', '{"city":"Rome"}'],
    ],
  );
  for (const { id } of calls) assert.match(id, /^[A-Za-z0-9]{9}$/);
  assert.deepEqual(
    results,
    calls.map(({ id }, at) => ({
      role: 'tool',
      content: ['rain', 'sun'][at],
      name: 'get_weather',
      tool_call_id: id,
    })),
  );
}

const results = ['rain', 'sun'] as const;

test('chat completions: two calls and their results, with the openai client', async (context) => {
  const tools = [{ type: 'function' as const, function: { name: 'get_weather', description, parameters } }];
  for (const stream of [false, true]) {
    const { url, inputs } = await start(context);
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: question }];
    const ask = (): Promise<OpenAI.ChatCompletion> =>
      stream
        ? client.chat.completions.stream({ model, messages, tools }).finalChatCompletion()
        : client.chat.completions.create({ model, messages, tools, tool_choice: 'auto' });
    const [choice] = (await ask()).choices;
    assert.equal(choice?.finish_reason, 'tool_calls');
    const { message } = choice ?? assert.fail();
    assert.equal(message.content, 'Let me look.');
    const { reasoning_content: reasoning = '' } = message as { reasoning_content?: string };
    // Of a field that it does not know, this client keeps the last piece of a stream.
    assert.ok(stream ? 'Two cities.'.endsWith(reasoning) : reasoning === 'Two cities.');
    messages.push(message);
    for (const [at, call] of (message.tool_calls ?? []).entries()) {
      assert.match(call.id, /^call_/);
      messages.push({ role: 'tool', tool_call_id: call.id, content: results[at] ?? '' });
    }
    assert.equal((await ask()).choices[0]?.message.content, 'Rain and sun.');
    checkSecond(inputs, reasoning);
  }
});

test('chat completions: runTools of the openai client runs a function by itself', async (context) => {
  const { url, inputs } = await start(context);
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  const cities: string[] = [];
  const weather = ({ city }: { city: string }): string => {
    cities.push(city);
    return results[cities.length - 1] ?? '';
  };
  const runner = client.chat.completions.runTools({
    model,
    stream: true,
    messages: [{ role: 'user', content: question }],
    tools: [
      {
        type: 'function',
        function: { name: 'get_weather', description, parameters, parse: JSON.parse, function: weather },
      },
    ],
  });
  assert.equal(await runner.finalContent(), 'Rain and sun.');
  assert.deepEqual(cities, ['Oslo', 'Rome']);
  checkSecond(inputs, undefined);
});

test('responses: items and their events, with the openai client', async (context) => {
  const tools = [{ type: 'function' as const, name: 'get_weather', description, parameters, strict: false }];
  for (const stream of [false, true]) {
    const { url, inputs } = await start(context);
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: question }];
    const types: string[] = [];
    const ask = async (): Promise<OpenAI.Responses.Response> => {
      if (!stream) return client.responses.create({ model, input, tools });
      const events = client.responses.stream({ model, input, tools });
      events.on('event', (event) => types.push(event.type));
      return events.finalResponse();
    };
    const { output, status } = await ask();
    assert.equal(status, 'completed');
    assert.deepEqual(
      output.map(({ type }) => type),
      ['reasoning', 'message', 'function_call', 'function_call'],
    );
    if (stream) assert.deepEqual(withoutRepeats(types), expectedEvents);
    input.push(...(output as OpenAI.Responses.ResponseInputItem[]));
    const calls = output.filter((item) => item.type === 'function_call');
    for (const [at, call] of calls.entries())
      input.push({ type: 'function_call_output', call_id: call.call_id, output: results[at] ?? '' });
    assert.equal((await ask()).output_text, 'Rain and sun.');
    checkSecond(inputs, 'Two cities.');
  }
});

const textEvents = (kind: string): readonly string[] => [
  'response.output_item.added',
  'response.content_part.added',
  `response.${kind}.delta`,
  `response.${kind}.done`,
  'response.content_part.done',
  'response.output_item.done',
];
const callEvents = [
  'response.output_item.added',
  'response.function_call_arguments.delta',
  'response.function_call_arguments.done',
  'response.output_item.done',
];
const expectedEvents = [
  'response.created',
  'response.in_progress',
  ...textEvents('reasoning_text'),
  ...textEvents('output_text'),
  ...callEvents,
  ...callEvents,
  'response.completed',
];

function withoutRepeats(types: readonly string[]): readonly string[] {
  return types.filter((type, at) => type !== types[at - 1]);
}

test('messages: blocks of thinking, text and calls, with the Anthropic client', async (context) => {
  const tools = [{ name: 'get_weather', description, input_schema: parameters }];
  for (const stream of [false, true]) {
    const { url, inputs } = await start(context);
    const client = new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0 });
    const messages: Anthropic.MessageParam[] = [{ role: 'user', content: question }];
    const ask = (): Promise<Anthropic.Message> => {
      const body = { model, max_tokens: 400, messages, tools };
      return stream ? client.messages.stream(body).finalMessage() : client.messages.create(body);
    };
    const { content, stop_reason: reason } = await ask();
    assert.equal(reason, 'tool_use');
    assert.deepEqual(
      content.map((block) => [block.type, block.type === 'tool_use' ? block.input : null]),
      [
        ['thinking', null],
        ['text', null],
        ['tool_use', { city: 'Oslo' }],
        ['tool_use', { city: 'Rome' }],
      ],
    );
    messages.push({ role: 'assistant', content });
    const calls = content.filter((block) => block.type === 'tool_use');
    messages.push({
      role: 'user',
      content: calls.map(({ id }, at) => ({ type: 'tool_result', tool_use_id: id, content: results[at] ?? '' })),
    });
    assert.deepEqual((await ask()).content, [{ type: 'text', text: 'Rain and sun.' }]);
    checkSecond(inputs, 'Two cities.');
  }
});

test('messages: the events of blocks in their order', async (context) => {
  const { url } = await start(context);
  const client = new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0 });
  const seen: string[] = [];
  const stream = await client.messages.create({
    model,
    max_tokens: 400,
    stream: true,
    messages: [{ role: 'user', content: question }],
    tools: [{ name: 'get_weather', input_schema: parameters }],
  });
  for await (const event of stream) seen.push('index' in event ? `${event.type} ${event.index}` : event.type);
  const block = (index: number): readonly string[] =>
    ['start', 'delta', 'stop'].map((what) => `content_block_${what} ${index}`);
  assert.deepEqual(withoutRepeats(seen), [
    'message_start',
    ...[0, 1, 2, 3].flatMap(block),
    'message_delta',
    'message_stop',
  ]);
});

test('Ollama: whole calls with objects, with the ollama client', async (context) => {
  const tools = [{ type: 'function', function: { name: 'get_weather', description, parameters } }];
  for (const stream of [false, true]) {
    const { url, inputs } = await start(context);
    const client = new Ollama({ host: url });
    const messages: Message[] = [{ role: 'user', content: question }];
    const ask = async (): Promise<Message> => {
      if (!stream) return (await client.chat({ model, messages, tools })).message;
      const whole: Message = { role: 'assistant', content: '' };
      for await (const { message } of await client.chat({ model, messages, tools, stream: true, think: true })) {
        whole.content += message.content;
        whole.thinking = (whole.thinking ?? '') + (message.thinking ?? '');
        whole.tool_calls = [...(whole.tool_calls ?? []), ...(message.tool_calls ?? [])];
      }
      return whole;
    };
    const message = await ask();
    assert.deepEqual([message.content, message.thinking], ['Let me look.', 'Two cities.']);
    const calls = message.tool_calls ?? [];
    assert.deepEqual(
      calls.map((call) => [call.function.name, call.function.arguments]),
      [
        ['get_weather', { city: 'Oslo' }],
        ['get_weather', { city: 'Rome' }],
      ],
    );
    messages.push(message);
    for (const [at, call] of calls.entries())
      messages.push({ role: 'tool', content: results[at] ?? '', tool_name: call.function.name });
    assert.equal((await ask()).content, 'Rain and sun.');
    checkSecond(inputs, 'Two cities.');
  }
});

test('parallel_tool_calls: false passes the first call on alone; tool_choice none offers no tools', async (context) => {
  const { url, inputs } = await start(context);
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  const tools = [{ type: 'function' as const, function: { name: 'get_weather', description, parameters } }];
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: question }];
  const { choices } = await client.chat.completions.create({ model, messages, tools, parallel_tool_calls: false });
  assert.equal(choices[0]?.message.tool_calls?.length, 1);
  await client.chat.completions.create({ model, messages, tools, tool_choice: 'none' });
  assert.equal(inputs.at(-1)?.tools, null);
});
