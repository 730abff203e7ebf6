import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import type {
  InferenceClient,
  InferenceRequest,
  VerificationOutcome,
} from '../../src/gateway/answer/inference-client.ts';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { createGate } from '../support/gate.ts';
import { noModels, startGateway } from '../support/gateway.ts';

const messages = [{ role: 'user', content: 'why?' }];

/** A minimal request for each API, and the fields of its seed and its length. */
const apis = [
  {
    path: '/v1/chat/completions',
    body: { messages },
    seed: (digits: string) => `"seed":${digits}`,
    most: 'max_tokens',
  },
  {
    path: '/v1/completions',
    body: { prompt: 'why?' },
    seed: (digits: string) => `"seed":${digits}`,
    most: 'max_tokens',
  },
  {
    path: '/v1/responses',
    body: { input: 'why?' },
    seed: (digits: string) => `"seed":${digits}`,
    most: 'max_output_tokens',
  },
  {
    path: '/v1/messages',
    body: { messages, max_tokens: 5 },
    seed: (digits: string) => `"seed":${digits}`,
    most: 'max_tokens',
  },
  {
    path: '/api/chat',
    body: { messages, stream: false },
    seed: (digits: string) => `"options":{"seed":${digits}}`,
    most: 'options.num_predict',
  },
  {
    path: '/api/generate',
    body: { prompt: 'why?', stream: false },
    seed: (digits: string) => `"options":{"seed":${digits}}`,
    most: 'options.num_predict',
  },
] as const;

/** A gateway that answers every request with one word and records the requests. */
async function startListening(
  context: TestContext,
  verified: VerificationOutcome = 'sampling',
  waitVerdict = false,
): Promise<{ readonly url: string; readonly asked: InferenceRequest[] }> {
  const asked: InferenceRequest[] = [];
  const inference: InferenceClient = {
    ...noModels,
    async complete(question, hooks) {
      asked.push(question);
      hooks.accepted(
        { provider: '12D3KooWx' as never, router: null, model: { id: '00' as never, name: 'm', quant: 'q' } },
        3,
      );
      await hooks.text('some');
      hooks.delivered({ finish: 'stop', promptTokens: 3, tokens: 2, cost: 7n, receipt: 'ab'.repeat(32) as never });
      return { verified, faults: [], referees: null, steps: null };
    },
  };
  return { url: (await startGateway(context, { inference, providers: [], gateway: { waitVerdict } })).url, asked };
}

const post = (url: string, path: string, body: string): Promise<Response> =>
  fetch(`${url}${path}`, { method: 'POST', body });
const withText = (body: object, more: string): string => JSON.stringify(body).replace(/\}$/, `,${more}}`);

test('keeps all digits of a seed and refuses a malformed one, in every API', async (context) => {
  const { url, asked } = await startListening(context);
  for (const { path, body, seed } of apis) {
    for (const digits of ['0', '1', '9007199254740993', '18446744073709551615']) {
      assert.equal((await post(url, path, withText(body, seed(digits)))).status, 200, `${path} ${digits}`);
      assert.equal(asked.at(-1)?.seed, BigInt(digits), path);
    }
    for (const [written, value] of [
      ['42.0', 42n],
      ['1e3', 1_000n],
      ['-1', null],
      ['null', null],
    ] as const) {
      assert.equal((await post(url, path, withText(body, seed(written)))).status, 200, `${path} ${written}`);
      assert.equal(asked.at(-1)?.seed, value, `${path} ${written}`);
    }
    assert.equal((await post(url, path, JSON.stringify(body))).status, 200);
    assert.equal(asked.at(-1)?.seed, null);
    for (const digits of ['18446744073709551616', '-2', '1.5', '1e17', '"7"', 'true', '[1]']) {
      const refused = await post(url, path, withText(body, seed(digits)));
      assert.equal(refused.status, 400, `${path} ${digits}`);
      assert.match(await refused.text(), /seed: expected a whole number from 0 to 18446744073709551615, or -1/);
    }
  }
});

test('accepts the fields that clients send by default, in every API', async (context) => {
  const { url } = await startListening(context);
  const neutral: Readonly<Record<string, object>> = {
    '/v1/chat/completions': {
      n: 1,
      top_p: 1,
      frequency_penalty: 0,
      presence_penalty: 0,
      repetition_penalty: 1,
      logit_bias: {},
      logprobs: false,
      top_logprobs: 0,
      tools: [],
      tool_choice: 'auto',
      parallel_tool_calls: true,
      response_format: { type: 'text' },
      modalities: ['text'],
      service_tier: 'auto',
      store: false,
      verbosity: 'medium',
      stop: null,
      stream_options: null,
      user: 'me',
      metadata: { a: 'b' },
      safety_identifier: 'x',
      prompt_cache_key: 'y',
      seed: null,
    },
    '/v1/completions': {
      n: 1,
      best_of: 1,
      top_p: 1,
      frequency_penalty: 0,
      presence_penalty: 0,
      logit_bias: {},
      echo: false,
      suffix: '',
      logprobs: null,
      stop: null,
      user: 'me',
    },
    '/v1/responses': {
      top_p: 1,
      tools: [],
      tool_choice: 'auto',
      parallel_tool_calls: true,
      text: { format: { type: 'text' } },
      truncation: 'disabled',
      background: false,
      store: false,
      include: [],
      reasoning: {},
      service_tier: 'auto',
      metadata: {},
      previous_response_id: null,
    },
    '/v1/messages': {
      top_p: 1,
      tools: [],
      tool_choice: { type: 'auto' },
      thinking: { type: 'disabled' },
      service_tier: 'auto',
      metadata: { user_id: 'me' },
      stop_sequences: [],
    },
    '/api/chat': {
      keep_alive: '5m',
      format: '',
      tools: [],
      think: false,
      truncate: true,
      options: { top_p: 1, repeat_penalty: 1, mirostat: 0, num_predict: -1, presence_penalty: 0 },
    },
    '/api/generate': {
      keep_alive: -1,
      format: '',
      system: '',
      template: '',
      suffix: '',
      images: [],
      context: [],
      think: false,
      raw: false,
    },
  };
  for (const { path, body } of apis) {
    const answer = await post(url, path, JSON.stringify({ ...body, ...neutral[path] }));
    assert.equal(answer.status, 200, `${path}: ${await answer.text()}`);
  }
});

test('refuses by name what would change the answer and is not supported, in every API', async (context) => {
  const { url, asked } = await startListening(context);
  const refused: Readonly<Record<string, readonly (readonly [object, string])[]>> = {
    '/v1/chat/completions': [
      [{ n: 9 }, 'n'],
      [{ n: 0 }, 'n'],
      [{ frequency_penalty: 2.1 }, 'frequency_penalty'],
      [{ presence_penalty: -3 }, 'presence_penalty'],
      [{ logit_bias: { 5: 101 } }, 'logit_bias'],
      [{ logit_bias: { x: 1 } }, 'logit_bias'],
      [{ logit_bias: [[5, 1]] }, 'logit_bias'],
      [{ logit_bias: Object.fromEntries(Array.from({ length: 301 }, (_, id) => [id, 1])) }, 'logit_bias'],
      [{ logit_bias: Object.fromEntries(Array.from({ length: 20 }, (_, id) => [id, -100])) }, 'logit_bias'],
      [{ logit_bias: { 7: 1, '07': 1 } }, 'logit_bias'],
      [{ stop: [''] }, 'stop'],
      [{ stop: Array.from({ length: 33 }, (_, at) => `${at}`) }, 'stop'],
      [{ stop: 'x'.repeat(32_769) }, 'stop'],
      [{ stop: '\ud800' }, 'stop'],
      [{ response_format: { type: 'xml' } }, 'response_format.type'],
      [{ tools: [{ type: 'function' }] }, 'tools[0].function'],
      [{ tool_choice: 'required' }, 'tool_choice'],
      [{ functions: [{}] }, 'functions'],
      [{ audio: {} }, 'audio'],
      [{ modalities: ['text', 'audio'] }, 'modalities'],
      [{ prediction: {} }, 'prediction'],
      [{ web_search_options: {} }, 'web_search_options'],
      [{ store: true }, 'store'],
      [{ reasoning_effort: 'much' }, 'reasoning_effort'],
      [{ chat_template_kwargs: { messages: 'x' } }, 'chat_template_kwargs.messages'],
      [{ chat_template_kwargs: { a: 0.5 } }, 'chat_template_kwargs.a'],
      [{ chat_template_kwargs: { a: {} } }, 'chat_template_kwargs.a'],
      [{ chat_template_kwargs: [] }, 'chat_template_kwargs'],
      [{ service_tier: 'flex' }, 'service_tier'],
      [{ top_k: 1.5 }, 'top_k'],
      [{ top_k: -2 }, 'top_k'],
      [{ logprobs: true, qvac: { verify: 'none' } }, 'logprobs'],
      [{ max_completion_tokens: 0 }, 'max_completion_tokens'],
      [{ stream_options: { include_everything: true } }, 'stream_options.include_everything'],
      [{ messages: [{ role: 'function', content: 'x' }] }, 'messages[0].role'],
      [{ messages: [{ role: 'assistant', tool_calls: [{}] }] }, 'messages[0].tool_calls[0].function'],
      [{ messages: [{ role: 'user', content: 'x', extra: 1 }] }, 'messages[0].extra'],
      [{ messages: [] }, 'messages'],
    ],
    '/v1/completions': [
      [{ n: 9 }, 'n'],
      [{ best_of: 2 }, 'best_of'],
      [{ echo: true }, 'echo'],
      [{ prompt: ['a', 'b'] }, 'prompt'],
      [{ prompt: [1, 2] }, 'prompt'],
      [{ logprobs: 2, qvac: { verify: 'none' } }, 'logprobs'],
    ],
    '/v1/responses': [
      [{ tools: [{ type: 'function' }] }, 'tools[0].name'],
      [{ tools: [{ type: 'function', name: 'a' }], tool_choice: { type: 'function', name: 'b' } }, 'tool_choice'],
      [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
      [{ store: true }, 'store'],
      [{ background: true }, 'background'],
      [{ text: { format: { type: 'xml' } } }, 'text.format.type'],
      [{ truncation: 'auto' }, 'truncation'],
      [{ conversation: 'x' }, 'conversation'],
      [{ include: ['message.output_text.logprobs'] }, 'include'],
      [{ reasoning: { depth: 'high' } }, 'reasoning.depth'],
      [{ input: [{ type: 'item_reference', id: 'x' }] }, 'input[0].type'],
      [{ input: [{ type: 'local_shell_call', call_id: 'x' }] }, 'input[0].type'],
      [{ input: [{ type: 'custom_tool_call', call_id: 'x' }] }, 'input[0].name'],
      [{ input: [{ type: 'function_call', name: 'a', namespace: 'a b' }] }, 'input[0].namespace'],
      [{ tools: [{ type: 'namespace', name: '<|im_end|>', tools: [] }] }, 'tools[0].name'],
      [{ tools: [{ type: 'custom', name: 'a', format: { type: 'xml' } }] }, 'tools[0].format.type'],
      [{ tool_choice: { type: 'mcp' } }, 'tool_choice'],
      [{ tool_choice: { type: 'allowed_tools', mode: 'none', tools: [] } }, 'tool_choice.mode'],
      [{ input: [{ type: 'function_call', name: 'a', arguments: '[' }] }, 'input[0].arguments'],
      [{ input: [{ type: 'reasoning', summary: [] }] }, 'input'],
      [{ input: [] }, 'input'],
      [{ input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'x' }] }] }, 'input[0].content[0].type'],
      [{ top_logprobs: 3 }, 'top_logprobs'],
    ],
    '/v1/messages': [
      [{ top_k: 'all' }, 'top_k'],
      [{ tools: [{ name: 'a b' }] }, 'tools[0].name'],
      [{ tools: [{ name: 'a' }, { name: 'a' }] }, 'tools'],
      [{ tools: [{ name: 'a', input_schema: [] }] }, 'tools[0].input_schema'],
      [{ tool_choice: { type: 'any' } }, 'tool_choice'],
      [{ thinking: { type: 'sometimes' } }, 'thinking'],
      [{ output_config: { format: { type: 'xml' } } }, 'output_config.format.type'],
      [{ container: 'x' }, 'container'],
      [{ mcp_servers: [{}] }, 'mcp_servers'],
      [{ messages: [{ role: 'user', content: [{ type: 'document' }] }] }, 'messages[0].content[0].type'],
      [{ system: [{ type: 'image' }] }, 'system[0].type'],
      [{ max_tokens: 0 }, 'max_tokens'],
    ],
    '/api/chat': [
      [{ tools: [{}] }, 'tools[0].function'],
      [{ think: 'much' }, 'think'],
      [{ options: { mirostat: 1 } }, 'options.mirostat'],
      [{ messages: [{ role: 'user', content: 'x', images: ['aGk='] }] }, 'messages[0].images'],
      [{ logprobs: true }, 'logprobs'],
    ],
    '/api/generate': [
      [{ images: ['aGk='] }, 'images'],
      [{ template: '{{ .Prompt }}' }, 'template'],
      [{ context: [1] }, 'context'],
      [{ raw: true, system: 'x' }, 'system'],
      [{ options: { num_predict: 0 } }, 'options.num_predict'],
    ],
  };
  for (const { path, body } of apis) {
    for (const [change, name] of refused[path] ?? []) {
      const answer = await post(url, path, JSON.stringify({ ...body, ...change }));
      assert.equal(answer.status, 400, `${path} ${name}`);
      const { error } = (await answer.json()) as { error: string | { message: string; param: string } };
      assert.ok((typeof error === 'string' ? error : error.message).includes(name), `${path} ${name}`);
      if (typeof error !== 'string') assert.equal(error.param, name);
    }
  }
  assert.deepEqual(asked, []);
});

test('reads the answer’s length from each API’s own field', async (context) => {
  const { url, asked } = await startListening(context);
  for (const { path, body, most } of apis) {
    const [outer, inner] = most.split('.');
    await post(url, path, JSON.stringify({ ...body, [outer ?? '']: inner === undefined ? 9 : { [inner]: 9 } }));
    assert.equal(asked.at(-1)?.sampler.maxTokens, 9, path);
  }
  await post(url, '/v1/chat/completions', JSON.stringify({ messages, max_tokens: 5, max_completion_tokens: 9 }));
  assert.equal(asked.at(-1)?.sampler.maxTokens, 9);
});

test('every answer states its verification, its cost and its receipt', async (context) => {
  for (const verified of ['exact', 'statistical', 'text', 'sampling', 'none', 'inconclusive', 'failed'] as const) {
    const { url } = await startListening(context, verified, true);
    const fields = {
      'x-qvac-provider': '12D3KooWx',
      'x-qvac-model-id': '00',
      'x-qvac-verified': verified,
      'x-qvac-cost-lamports': '7',
      'x-qvac-receipt': 'ab'.repeat(32),
    };
    for (const { path, body } of apis) {
      const whole = await post(url, path, JSON.stringify({ ...body, stream: false }));
      for (const [name, value] of Object.entries(fields))
        assert.equal(whole.headers.get(name), value, `${path} ${name}`);
      const streamed = await post(url, path, JSON.stringify({ ...body, stream: true }));
      assert.equal(streamed.headers.get('x-qvac-verified'), 'pending');
      assert.equal(streamed.headers.get('x-qvac-provider'), '12D3KooWx');
      const events = (await streamed.text()).split('\n').filter((line) => line.includes('{'));
      const last = JSON.parse((events.at(-1) ?? '').replace(/^data: /, '')) as Record<string, unknown>;
      for (const [name, value] of Object.entries(fields)) assert.equal(last[name], value, `${path} ${name}`);
    }
  }
});

/** `fetch` that calls `seen` once the response has carried a comment. */
function fetchUntilComment(seen: () => void): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    const [mine, theirs] = (response.body ?? assert.fail()).tee();
    void (async () => {
      let text = '';
      for await (const part of mine.pipeThrough(new TextDecoderStream())) {
        text += part;
        if (text.includes(': waiting\n\n')) seen();
      }
    })().catch(() => undefined);
    return new Response(theirs, response);
  };
}

test('sends comments on every event stream while the prompt is slow; clients ignore them', async (context) => {
  const gates = Array.from({ length: 4 }, () => createGate(0));
  const asked = gates.map(async (gate, at) => {
    const { url } = await startGateway(context, {
      providers: [{ engine: createDictatedEngine('It scatters.', { beforeStep: gate.beforeStep }) }],
      gateway: { keepAliveMs: 20 },
    });
    const openai = new OpenAI({
      baseURL: `${url}/v1`,
      apiKey: 'none',
      maxRetries: 0,
      fetch: fetchUntilComment(gate.open),
    });
    const anthropic = new Anthropic({
      baseURL: url,
      apiKey: 'none',
      maxRetries: 0,
      fetch: fetchUntilComment(gate.open),
    });
    let text = '';
    if (at === 0)
      for await (const chunk of await openai.chat.completions.create({
        model: 'scripted',
        messages: [{ role: 'user', content: 'x' }],
        stream: true,
      }))
        text += chunk.choices[0]?.delta.content ?? '';
    if (at === 1)
      for await (const chunk of await openai.completions.create({ model: 'scripted', prompt: 'x', stream: true }))
        text += chunk.choices[0]?.text ?? '';
    if (at === 2)
      for await (const event of await openai.responses.create({ model: 'scripted', input: 'x', stream: true }))
        if (event.type === 'response.output_text.delta') text += event.delta;
    if (at === 3)
      for await (const event of await anthropic.messages.create({
        model: 'scripted',
        max_tokens: 40,
        messages: [{ role: 'user', content: 'x' }],
        stream: true,
      }))
        if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text;
    return text;
  });
  assert.deepEqual(
    await Promise.all(asked),
    Array.from({ length: 4 }, () => 'It scatters.'),
  );
});

test('every API switches thinking off by the template’s option', async (context) => {
  const { url, asked } = await startListening(context);
  const off: Readonly<Record<string, readonly object[]>> = {
    '/v1/chat/completions': [{ reasoning_effort: 'none' }, { chat_template_kwargs: { enable_thinking: false } }],
    '/v1/completions': [],
    '/v1/responses': [{ reasoning: { effort: 'none' } }],
    '/v1/messages': [{ thinking: { type: 'disabled' } }],
    '/api/chat': [{ think: false }],
    '/api/generate': [{ think: false }],
  };
  const untouched: Readonly<Record<string, readonly object[]>> = {
    '/v1/chat/completions': [{ reasoning_effort: 'high' }],
    '/v1/responses': [{ reasoning: { effort: 'high' } }, { reasoning: {} }],
    '/v1/messages': [{ thinking: { type: 'adaptive' } }],
  };
  for (const { path, body } of apis) {
    for (const change of off[path] ?? []) {
      assert.equal((await post(url, path, JSON.stringify({ ...body, ...change }))).status, 200);
      assert.deepEqual(asked.at(-1)?.input.options, { enable_thinking: false }, path);
    }
    for (const change of [{}, ...(untouched[path] ?? [])]) {
      assert.equal((await post(url, path, JSON.stringify({ ...body, ...change }))).status, 200);
      assert.deepEqual(asked.at(-1)?.input.options, {}, path);
    }
  }
  const kwargs = { chat_template_kwargs: { enable_thinking: true, effort: 'low', budget: 5 } };
  await post(url, '/v1/chat/completions', JSON.stringify({ messages, reasoning_effort: 'none', ...kwargs }));
  assert.deepEqual(asked.at(-1)?.input.options, kwargs.chat_template_kwargs);
});

test('one error names every unsupported field, and at most ten', async (context) => {
  const { url, asked } = await startListening(context);
  const many = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`field_${at}`, at]));
  const refused = await post(url, '/v1/chat/completions', JSON.stringify({ messages, modalities: ['audio'], ...many }));
  const { error } = (await refused.json()) as { error: { message: string; param: string; code: string } };
  assert.deepEqual([refused.status, error.param, error.code], [400, 'modalities', 'E_UNSUPPORTED']);
  assert.match(
    error.message,
    /^13 fields are not supported: modalities other than \["text"\], field_0 \(unknown field\), /,
  );
  assert.match(error.message, /field_8 \(unknown field\), and 3 more$/);
  assert.deepEqual(asked, []);
});
