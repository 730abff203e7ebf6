import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { fetchReceipt, startGateway } from '../support/gateway.ts';
import { fitsSchema } from '../support/json-schema.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const model = 'scripted/q8_0';
const messages = [{ role: 'user' as const, content: 'who?' }];
const schema = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 8 }, kind: { enum: ['person', 'animal'] } },
  required: ['name', 'kind'],
  additionalProperties: false,
};
const regex = '[a-z]{3}-\\d{2}';
const grammar = 'root ::= ("yes" | "no") "!"';

test('official clients get JSON that fits their schema, verified bit for bit', async (context) => {
  const { url } = await startGateway(context, {
    providers: [{ provider: { burst: 100 } }],
    here: [createScriptedEngine()],
    gateway: { limits: { rate: { burst: 100 } } },
  });
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  const anthropic = new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0 });
  const ollama = new Ollama({ host: url });
  const max_tokens = 300;
  const answers: Readonly<Record<string, () => Promise<string | null | undefined>>> = {
    chat: async () => {
      const format = { type: 'json_schema' as const, json_schema: { name: 'being', strict: true, schema } };
      const { choices } = await openai.chat.completions.create({
        model,
        messages,
        max_tokens,
        response_format: format,
      });
      return choices[0]?.message.content;
    },
    'chat, streamed': async () => {
      const format = { type: 'json_schema' as const, json_schema: { name: 'being', strict: true, schema } };
      let text = '';
      for await (const { choices } of await openai.chat.completions.create({
        ...{ model, messages, max_tokens, response_format: format, stream: true },
      }))
        text += choices[0]?.delta.content ?? '';
      return text;
    },
    responses: async () => {
      const format = { type: 'json_schema' as const, name: 'being', schema };
      const { output_text } = await openai.responses.create({
        ...{ model, input: 'who?', max_output_tokens: max_tokens, text: { format } },
      });
      return output_text;
    },
    messages: async () => {
      const { content } = await anthropic.messages.create({
        ...{ model, messages, max_tokens, output_config: { format: { type: 'json_schema', schema } } },
      });
      return content[0]?.type === 'text' ? content[0].text : null;
    },
    'ollama chat': async () =>
      (await ollama.chat({ model, messages, format: schema, options: { num_predict: max_tokens } })).message.content,
    'ollama generate': async () =>
      (await ollama.generate({ model, prompt: 'who?', format: schema, options: { num_predict: max_tokens } })).response,
  };
  for (const [api, ask] of Object.entries(answers)) {
    const text = await ask();
    assert.ok(fitsSchema(JSON.parse(text ?? ''), schema), `${api}: ${text}`);
  }
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model, messages, max_tokens, guided_json: schema }),
  });
  const checked = await fetchReceipt(url, response.headers.get('x-qvac-receipt') ?? '');
  assert.equal(checked.headers.get('x-qvac-verified'), 'exact');
});

const routes: readonly (readonly [path: string, base: object])[] = [
  ['/v1/chat/completions', { messages, max_tokens: 60 }],
  ['/v1/completions', { prompt: 'who?', max_tokens: 60 }],
  ['/v1/responses', { input: 'who?', max_output_tokens: 60 }],
  ['/v1/messages', { messages, max_tokens: 60 }],
  ['/api/chat', { messages, stream: false, options: { num_predict: 60 } }],
  ['/api/generate', { prompt: 'who?', stream: false, options: { num_predict: 60 } }],
];
const forms: readonly (readonly [asked: object, form: RegExp])[] = [
  [{ grammar }, /"(yes|no)!"/],
  [{ guided_regex: regex }, /"[a-z]{3}-\d{2}"/],
  [{ guided_choice: ['left', 'right'] }, /"(left|right)"/],
  [{ structured_outputs: { regex } }, /"[a-z]{3}-\d{2}"/],
  [{ json_schema: { enum: [1234567] } }, /"1234567"/],
];

test('every route takes the grammars of llama.cpp and vLLM', async (context) => {
  const { url } = await startGateway(context, {
    providers: [{ provider: { burst: 100 } }],
    gateway: { limits: { rate: { burst: 100 } } },
  });
  for (const [path, base] of routes)
    for (const [asked, form] of forms) {
      const body = JSON.stringify({ ...base, ...asked });
      const response = await fetch(`${url}${path}`, { method: 'POST', body });
      const text = await response.text();
      assert.equal(response.status, 200, `${path} ${JSON.stringify(asked)}: ${text}`);
      assert.match(text, form, `${path} ${JSON.stringify(asked)}`);
    }
});

test('what a grammar cannot be made of is refused by name, before anything is sent', async (context) => {
  const { url, providers } = await startGateway(context, { gateway: { limits: { rate: { burst: 100 } } } });
  const format = (schemaOf: unknown) => ({ type: 'json_schema', json_schema: { name: 'x', schema: schemaOf } });
  const cases: readonly (readonly [asked: object, says: RegExp])[] = [
    [{ response_format: format({ type: 'object', not: {} }) }, /response_format: .*\\?"not\\?" \(at #\)/],
    [{ response_format: format({ type: 'string', format: 'emoji' }) }, /\\?"emoji\\?"/],
    [{ response_format: { type: 'json_schema' } }, /response_format\.json_schema: expected an object with a/],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'x' } } },
      /json_schema\.schema: expected a JSON schema/,
    ],
    [{ response_format: { type: 'xml' } }, /response_format\.type \\?"xml\\?" is not supported/],
    [{ response_format: { type: 'text', colour: 'red' } }, /response_format\.colour is not supported/],
    [{ grammar: 'root ::= root "x" | "y"' }, /grammar: .*the rule \\?"root\\?" is left-recursive/],
    [{ grammar: 5 }, /grammar: expected a text/],
    [{ guided_regex: '(?=a)' }, /guided_regex: the pattern has/],
    [{ guided_choice: [] }, /guided_choice: expected a list of texts/],
    [
      { guided_choice: ['x'.repeat(40_000), 'y'.repeat(40_000)] },
      /guided_choice: the texts have 80000 characters, at most 65536/,
    ],
    [{ guided_json: '{' }, /guided_json: expected a JSON schema/],
    [{ structured_outputs: { regex: 'a', colour: 1 } }, /structured_outputs\.colour is not supported/],
    [{ grammar, guided_regex: regex }, /guided_regex: the answer has a form already, by grammar/],
    [{ response_format: format({ enum: ['x'.repeat(70_000)] }) }, /at most 65536/],
  ];
  for (const [asked, says] of cases) {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ messages, ...asked }),
    });
    const text = await response.text();
    assert.equal(response.status, 400, text);
    assert.match(text, says);
  }
  assert.equal(providers[0]?.receipts.size, 0);
});

test('log-probabilities are of what the grammar allows', async (context) => {
  const { url } = await startGateway(context, { here: [createScriptedEngine()] });
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ messages, guided_regex: '[xyz]{4}', logprobs: true, top_logprobs: 5 }),
  });
  const { choices } = (await response.json()) as OpenAI.ChatCompletion;
  const content = choices[0]?.logprobs?.content ?? [];
  assert.deepEqual(
    content.slice(0, 4).map(({ top_logprobs }) => top_logprobs.map(({ token }) => token).sort()),
    Array.from({ length: 4 }, () => ['x', 'y', 'z']),
  );
});

test('numbers of a schema keep their values, whatever their names', async (context) => {
  const { url } = await startGateway(context);
  const asked = { type: 'object', properties: { seed: { const: 12 } }, required: ['seed'], default: { seed: 3 } };
  const response = await fetch(`${url}/api/chat`, {
    method: 'POST',
    body: JSON.stringify({ messages, stream: false, format: asked, options: { seed: 1, num_predict: 400 } }),
  });
  const { message } = (await response.json()) as { message: { content: string } };
  assert.deepEqual(JSON.parse(message.content), { seed: 12 });
});
