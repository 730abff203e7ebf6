import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { decodeHead } from '../../src/proofs/head.ts';
import { finish } from '../../src/protocol/codes.ts';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { breakingClient, fetchReceipt, startGateway } from '../support/gateway.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const model = 'scripted/q8_0';
const question = { model, messages: [{ role: 'user' as const, content: 'why is the sky blue?' }] };
const clientOf = (url: string): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });

test('returns a chat completion', async (context) => {
  const { url, providers } = await startGateway(context, { here: [createScriptedEngine()] });
  const { data, response } = await clientOf(url)
    .chat.completions.create({ ...question, max_tokens: 12, seed: 7 })
    .withResponse();
  assert.equal(data.object, 'chat.completion');
  assert.equal(data.model, model);
  assert.equal(data.choices[0]?.finish_reason, 'length');
  assert.ok((data.choices[0]?.message.content ?? '').length > 0);
  assert.equal(data.usage?.completion_tokens, 12);
  assert.equal(data.usage?.total_tokens, data.usage.prompt_tokens + 12);
  assert.equal(response.headers.get('x-qvac-provider'), providers[0]?.peer.id);
  assert.equal(response.headers.get('x-qvac-model-id'), providers[0]?.engine.facts.id);
  assert.equal(response.headers.get('x-qvac-verified'), 'pending');
  assert.equal(response.headers.get('x-qvac-cost-lamports'), '0');
  const receipt = response.headers.get('x-qvac-receipt');
  assert.match(receipt ?? '', /^[0-9a-f]{64}$/);
  const kept = await fetchReceipt(url, receipt);
  assert.equal(kept.headers.get('content-type'), 'application/vnd.qvac.receipt+json');
  assert.equal(kept.headers.get('x-qvac-verified'), 'exact');
  assert.equal(((await kept.json()) as { text: string }).text, data.choices[0]?.message.content);
});

test('streams a chat completion with usage', async (context) => {
  const { url, providers } = await startGateway(context, {
    providers: [{ engine: createDictatedEngine('a line\r\n\ndata: [DONE]\n\nand “more”') }],
  });
  const stream = await clientOf(url).chat.completions.create({
    ...question,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  let finish: string | null = null;
  let last: OpenAI.ChatCompletionChunk | null = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    finish = chunk.choices[0]?.finish_reason ?? finish;
    last = chunk;
  }
  assert.equal(text, 'a line\r\n\ndata: [DONE]\n\nand “more”');
  assert.equal(finish, 'stop');
  assert.deepEqual(last?.choices, []);
  assert.equal(last?.usage?.completion_tokens, Buffer.byteLength(text) + 1);
  const fields = last as unknown as Record<string, string>;
  assert.equal(fields['x-qvac-provider'], providers[0]?.peer.id);
  assert.equal(fields['x-qvac-verified'], 'pending');
  const kept = await fetchReceipt(url, fields['x-qvac-receipt'] ?? '');
  assert.equal(kept.headers.get('x-qvac-verified'), 'sampling');
});

test('a seed of 20 digits repeats its answer; the next seed does not', async (context) => {
  const { url } = await startGateway(context);
  const ask = async (seed: string): Promise<string> => {
    // The client's numbers are doubles, so the digits are put in as text.
    const body = JSON.stringify({ ...question, temperature: 2, max_tokens: 30 }).replace(/\}$/, `,"seed":${seed}}`);
    const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body });
    return ((await response.json()) as OpenAI.ChatCompletion).choices[0]?.message.content ?? '';
  };
  const [first, again, other] = [
    await ask('18446744073709551615'),
    await ask('18446744073709551615'),
    await ask('18446744073709551614'),
  ];
  assert.equal(first, again);
  assert.notEqual(first, other);
});

test('stop texts end the answer before them, and the job with the token that completes one', async (context) => {
  const { url, providers } = await startGateway(context, {
    providers: [{ engine: createDictatedEngine(`one two three ${'x'.repeat(500)}`) }],
  });
  const answer = await clientOf(url).chat.completions.create({
    ...question,
    max_tokens: 600,
    stop: ['never', 'three'],
  });
  assert.equal(answer.choices[0]?.message.content, 'one two ');
  assert.equal(answer.choices[0]?.finish_reason, 'stop');
  const [receipt] = providers[0]?.receipts.values() ?? [];
  assert.ok(receipt !== undefined);
  assert.equal(receipt.text, 'one two three');
  assert.equal(decodeHead(receipt.heads[0]?.body ?? new Uint8Array()).finish, finish.stopText);
  assert.equal(answer.usage?.completion_tokens, 'one two three'.length);
});

test('continues a text, streamed or not', async (context) => {
  const { url } = await startGateway(context);
  const client = clientOf(url);
  const whole = await client.completions.create({ model, prompt: 'once upon', max_tokens: 9, seed: 1, temperature: 0 });
  assert.equal(whole.object, 'text_completion');
  assert.equal(whole.usage?.prompt_tokens, 'once upon'.length);
  let text = '';
  for await (const chunk of await client.completions.create({
    model,
    prompt: 'once upon',
    max_tokens: 9,
    seed: 1,
    temperature: 0,
    stream: true,
  }))
    text += chunk.choices[0]?.text ?? '';
  assert.equal(text, whole.choices[0]?.text);
});

test('recomputes log-probabilities if the model is here, else takes them from the opening', async (context) => {
  const held = await startGateway(context, { here: [createScriptedEngine()] });
  const answer = await clientOf(held.url).chat.completions.create({
    ...question,
    max_tokens: 5,
    logprobs: true,
    top_logprobs: 3,
  });
  const content = answer.choices[0]?.logprobs?.content ?? [];
  assert.equal(content.length, 5);
  for (const { bytes, logprob, top_logprobs: top } of content) {
    assert.ok(logprob <= 0);
    assert.equal(top.length, 3);
    assert.ok((top[0]?.logprob ?? -1) >= (top[1]?.logprob ?? 0));
    assert.equal(bytes?.length, 1);
  }
  assert.match((answer.choices[0]?.logprobs as { note?: string } | null | undefined)?.note ?? '', /recomputed/);
  const elsewhere = await startGateway(context);
  const { data, response } = await clientOf(elsewhere.url)
    .chat.completions.create({ ...question, max_tokens: 300, seed: 7, logprobs: true, top_logprobs: 20 })
    .withResponse();
  const opened = data.choices[0]?.logprobs?.content ?? [];
  assert.equal(opened.length, 256);
  assert.equal(response.headers.get('x-qvac-adjusted'), 'max_tokens=256 for logprobs');
  for (const { token, bytes, logprob, top_logprobs: top } of opened) {
    assert.match(token, /^token_id:\d+$/);
    assert.equal(bytes, null);
    assert.ok(top.some((other) => other.token === token && other.logprob === logprob));
    assert.ok(Math.abs(top.reduce((sum, other) => sum + Math.exp(other.logprob), 0) - 1) < 1e-9);
  }
  const same = await clientOf(held.url).chat.completions.create({
    ...question,
    max_tokens: 256,
    seed: 7,
    logprobs: true,
    top_logprobs: 20,
  });
  for (const [at, { logprob }] of (same.choices[0]?.logprobs?.content ?? []).entries())
    assert.ok(Math.abs(logprob - (opened[at]?.logprob ?? 0)) < 0.01);
});

test('returns a response, streamed or not', async (context) => {
  const { url } = await startGateway(context, { providers: [{ engine: createDictatedEngine('blue, mostly') }] });
  const client = clientOf(url);
  const whole = await client.responses.create({ model, instructions: 'be brief', input: 'why?' });
  assert.equal(whole.output_text, 'blue, mostly');
  assert.equal(whole.status, 'completed');
  assert.equal(whole.usage?.output_tokens, 'blue, mostly'.length + 1);
  const types: string[] = [];
  let text = '';
  let final: OpenAI.Responses.Response | null = null;
  for await (const event of await client.responses.create({
    model,
    input: [{ role: 'user', content: [{ type: 'input_text', text: 'why?' }] }],
    stream: true,
  })) {
    types.push(event.type);
    if (event.type === 'response.output_text.delta') text += event.delta;
    if (event.type === 'response.completed') final = event.response;
  }
  assert.equal(text, 'blue, mostly');
  assert.equal(types[0], 'response.created');
  assert.equal(types.at(-1), 'response.completed');
  assert.deepEqual(
    final?.output[0]?.type === 'message' &&
      final.output[0].content[0]?.type === 'output_text' &&
      final.output[0].content[0].text,
    'blue, mostly',
  );
  const short = await client.responses.create({ model, input: 'why?', max_output_tokens: 3 });
  assert.equal(short.status, 'incomplete');
  assert.equal(short.incomplete_details?.reason, 'max_output_tokens');
});

test('the client throws if an answer ends early', async (context) => {
  const { url } = await startGateway(context, { inference: breakingClient });
  const client = clientOf(url);
  const isBroken = (error: unknown): boolean => error instanceof OpenAI.APIError && error.code === 'E_TRUNCATED';
  let text = '';
  await assert.rejects(async () => {
    for await (const chunk of await client.chat.completions.create({ ...question, stream: true }))
      text += chunk.choices[0]?.delta.content ?? '';
  }, isBroken);
  await assert.rejects(async () => {
    for await (const chunk of await client.completions.create({ model, prompt: 'x', stream: true }))
      text += chunk.choices[0]?.text ?? '';
  }, isBroken);
  await assert.rejects(async () => {
    for await (const event of await client.responses.create({ model, input: 'x', stream: true }))
      if (event.type === 'response.output_text.delta') text += event.delta;
  }, isBroken);
  assert.equal(text, 'somesomesome');
  await assert.rejects(
    client.chat.completions.create(question),
    (error: unknown) => isBroken(error) && (error as { status?: number }).status === 502,
  );
});

test('joins content parts and refuses by name what a part asks for besides its text', async (context) => {
  const { url, receipts } = await startGateway(context);
  const client = clientOf(url);
  const { response } = await client.chat.completions
    .create({
      ...question,
      max_tokens: 2,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
      ],
    })
    .withResponse();
  await fetchReceipt(url, response.headers.get('x-qvac-receipt'));
  const { receipt } = await receipts.get(response.headers.get('x-qvac-receipt') ?? '');
  assert.deepEqual(receipt.input?.messages, [{ role: 'user', content: 'ab' }]);
  const answer = { type: 'output_text', text: 'c', annotations: [], logprobs: [] };
  const again = await client.responses.create({
    model,
    input: [
      { role: 'user', content: 'a' },
      { id: 'msg_1', type: 'message', role: 'assistant', status: 'completed', content: [answer as never] },
      { role: 'user', content: 'd' },
    ],
    max_output_tokens: 16,
  });
  assert.equal(again.usage?.output_tokens, 16);
  await assert.rejects(
    client.chat.completions.create({
      ...question,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'a', detail: 'high' } as never] }],
    }),
    (error: unknown) => error instanceof OpenAI.APIError && error.param === 'messages[0].content[0].detail',
  );
});

test('lists models and retrieves one', async (context) => {
  const { url } = await startGateway(context);
  const client = clientOf(url);
  const names: string[] = [];
  for await (const { id } of client.models.list()) names.push(id);
  assert.deepEqual(names, [model]);
  assert.equal((await client.models.retrieve(model)).id, model);
  assert.equal((await client.models.retrieve('scripted')).id, model);
  await assert.rejects(client.models.retrieve('absent'), OpenAI.NotFoundError);
});

test('returns errors in the API’s own format', async (context) => {
  const { url } = await startGateway(context);
  const client = clientOf(url);
  const errorOf = async (change: object): Promise<InstanceType<typeof OpenAI.APIError>> => {
    try {
      await client.chat.completions.create({ ...question, ...change } as OpenAI.ChatCompletionCreateParamsNonStreaming);
    } catch (error) {
      assert.ok(error instanceof OpenAI.APIError);
      return error;
    }
    throw new Error('no error');
  };
  for (const [change, param] of [
    [{ n: 9 }, 'n'],
    [{ top_p: 1.5 }, 'top_p'],
    [{ tools: [{ type: 'function', function: { name: 'f' } }] }, 'tools'],
    [{ response_format: { type: 'xml' } }, 'response_format.type'],
    [
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
      'messages[0].content[0].type',
    ],
    [{ a_new_field: 1 }, 'a_new_field'],
    [{ seed: -2 }, 'seed'],
    [{ seed: 1.5 }, 'seed'],
    [{ temperature: 3 }, 'temperature'],
    [{ messages: [] }, 'messages'],
    [{ top_k: -2 }, 'top_k'],
  ] as const) {
    const error = await errorOf(change);
    assert.equal(error.status, 400, param);
    assert.equal(error.param, param);
    assert.match(error.message, new RegExp(param.replaceAll(/[.[\]]/g, '\\$&')));
  }
  const absent = await errorOf({ model: 'no-such-model' });
  assert.equal(absent.status, 404);
  assert.equal(absent.code, 'model_not_found');
  assert.equal((absent.error as { qvac_code: string }).qvac_code, 'E_NO_PROVIDER');
  const neutral = await client.chat.completions.create({
    ...question,
    n: 1,
    top_p: 1,
    frequency_penalty: 0,
    presence_penalty: 0,
    tools: [],
    user: 'someone',
    max_tokens: 2,
    stop: null,
    logit_bias: null,
  });
  assert.equal(neutral.usage?.completion_tokens, 2);
});
