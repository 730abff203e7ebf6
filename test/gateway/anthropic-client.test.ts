import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { breakingClient, fetchReceipt, startGateway } from '../support/gateway.ts';

const model = 'scripted/q8_0';
const question = { model, max_tokens: 100, messages: [{ role: 'user' as const, content: 'why is the sky blue?' }] };
const clientOf = (baseURL: string): Anthropic => new Anthropic({ baseURL, apiKey: 'none', maxRetries: 0 });

test('returns a message', async (context) => {
  const { url } = await startGateway(context, { providers: [{ engine: createDictatedEngine('It scatters.') }] });
  const {
    data,
    response,
    request_id: request,
  } = await clientOf(url)
    .messages.create({ ...question, system: [{ type: 'text', text: 'be brief' }] })
    .withResponse();
  assert.equal(data.role, 'assistant');
  assert.deepEqual(data.content, [{ type: 'text', text: 'It scatters.' }]);
  assert.equal(data.stop_reason, 'end_turn');
  assert.equal(data.usage.output_tokens, 'It scatters.'.length + 1);
  assert.ok(data.usage.input_tokens > 0);
  assert.equal(response.headers.get('x-qvac-verified'), 'pending');
  assert.equal(request, `req_${data.id.slice('msg_'.length)}`);
});

test('streams a message: the events, and the message that the client assembles', async (context) => {
  const { url } = await startGateway(context, { providers: [{ engine: createDictatedEngine('It scatters.') }] });
  const client = clientOf(url);
  const types: string[] = [];
  let last: object = {};
  for await (const event of await client.messages.create({ ...question, stream: true })) {
    types.push(event.type);
    last = event;
  }
  assert.deepEqual(
    [...new Set(types)],
    [
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ],
  );
  assert.match((last as Record<string, string>)['x-qvac-receipt'] ?? '', /^[0-9a-f]{64}$/);
  const message = await client.messages.stream(question).finalMessage();
  assert.deepEqual(message.content, [{ type: 'text', text: 'It scatters.' }]);
  assert.equal(message.stop_reason, 'end_turn');
  assert.ok(message.usage.input_tokens > 0);
});

test('names stop sequences and the length limit as the stop reason', async (context) => {
  const { url } = await startGateway(context, {
    providers: [{ engine: createDictatedEngine(`one two three ${'x'.repeat(300)}`) }],
  });
  const client = clientOf(url);
  const stopped = await client.messages.create({ ...question, stop_sequences: ['three'] });
  assert.deepEqual(
    [stopped.stop_reason, stopped.stop_sequence, stopped.content],
    ['stop_sequence', 'three', [{ type: 'text', text: 'one two ' }]],
  );
  const short = await client.messages.create({ ...question, max_tokens: 3 });
  assert.deepEqual([short.stop_reason, short.content], ['max_tokens', [{ type: 'text', text: 'one' }]]);
});

test('returns errors in Anthropic’s format with our code', async (context) => {
  const { url } = await startGateway(context);
  const client = clientOf(url);
  await assert.rejects(client.messages.create({ ...question, ...{ top_k: -2 } }), (error: unknown) => {
    assert.ok(error instanceof Anthropic.BadRequestError);
    const body = error.error as { type: string; error: { type: string; message: string; code: string } };
    assert.equal(body.type, 'error');
    assert.equal(body.error.type, 'invalid_request_error');
    assert.match(body.error.message, /top_k/);
    return true;
  });
  await assert.rejects(
    client.messages.create({ ...question, tools: [{ name: 'f', input_schema: { type: 'object' as const } }] }),
    /tools/,
  );
  await assert.rejects(client.messages.create({ ...question, model: 'no-such-model' }), Anthropic.NotFoundError);
});

test('accepts content and system in parts, with cache hints', async (context) => {
  const { url, receipts } = await startGateway(context);
  const cached = { cache_control: { type: 'ephemeral' as const } };
  const { response } = await clientOf(url)
    .messages.create({
      ...question,
      max_tokens: 2,
      system: [
        { type: 'text', text: 'be ', ...cached },
        { type: 'text', text: 'brief' },
      ],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a', ...cached },
            { type: 'text', text: 'b' },
          ],
        },
        { role: 'assistant', content: 'c' },
        { role: 'user', content: 'd' },
      ],
    })
    .withResponse();
  await fetchReceipt(url, response.headers.get('x-qvac-receipt'));
  const { receipt } = await receipts.get(response.headers.get('x-qvac-receipt') ?? '');
  assert.deepEqual(
    receipt.input?.messages,
    [
      ['system', 'be brief'],
      ['user', 'ab'],
      ['assistant', 'c'],
      ['user', 'd'],
    ].map(([role, content]) => ({ role, content })),
  );
});

test('refuses by name what a content part asks for besides its text', async (context) => {
  const { url } = await startGateway(context);
  const client = clientOf(url);
  const ask = (content: Anthropic.MessageParam['content']): Promise<unknown> =>
    client.messages.create({ ...question, messages: [{ role: 'user', content }] });
  await assert.rejects(
    ask([
      {
        type: 'text',
        text: 'x',
        citations: [
          {
            type: 'char_location',
            cited_text: 'x',
            document_index: 0,
            document_title: null,
            start_char_index: 0,
            end_char_index: 1,
          },
        ],
      },
    ]),
    /citations/,
  );
  await assert.rejects(
    ask([{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } }]),
    /messages\[0\]\.content\[0\]\.type/,
  );
  await assert.rejects(ask([{ type: 'search_result' } as never]), /messages\[0\]\.content\[0\]\.type/);
});

test('the client throws if an answer ends early', async (context) => {
  const { url } = await startGateway(context, { inference: breakingClient });
  const client = clientOf(url);
  let text = '';
  await assert.rejects(
    async () => {
      for await (const event of await client.messages.create({ ...question, stream: true }))
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text;
    },
    (error: unknown) => error instanceof Anthropic.APIError && /disconnected/.test(error.message),
  );
  assert.equal(text, 'some');
  await assert.rejects(
    client.messages.create(question),
    (error: unknown) => error instanceof Anthropic.APIError && error.status === 502 && error.type === 'api_error',
  );
  await assert.rejects(client.models.retrieve('absent'), Anthropic.NotFoundError);
});

test('lists models in Anthropic’s format', async (context) => {
  const { url } = await startGateway(context);
  const names: string[] = [];
  for await (const { id } of clientOf(url).models.list()) names.push(id);
  assert.deepEqual(names, [model]);
});
