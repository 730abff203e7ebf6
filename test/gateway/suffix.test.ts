import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { fetchReceipt, startGateway } from '../support/gateway.ts';
import { notingEngine } from '../support/noting-engine.ts';

const model = 'scripted/q8_0';

test('suffix: the model fills the gap between the prompt and it, verified like any answer', async (context) => {
  const { engine, inputs } = notingEngine(createDictatedEngine(' return a + b'));
  const { url } = await startGateway(context, {
    providers: [{ engine, offering: { can: ['fim'] } }],
    here: [engine],
  });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  const [prompt, suffix] = ['def add(a, b):\n', '\n\nprint(add(1, 2))<|im_end|>'];
  const { data, response } = await client.completions.create({ model, prompt, suffix }).withResponse();
  assert.equal(data.choices[0]?.text, ' return a + b');
  const receipt = await fetchReceipt(url, response.headers.get('x-qvac-receipt'));
  assert.equal(receipt.headers.get('x-qvac-verified'), 'exact');
  const expected = {
    messages: [prompt, suffix].map((content) => ({ role: 'user', content })),
    template: 'fim',
    options: {},
    tools: null,
    date: null,
    continuation: [],
  };
  assert.deepEqual(inputs.at(-1), expected);
  const ollama = new Ollama({ host: url });
  for (const raw of [false, true]) {
    assert.equal((await ollama.generate({ model, prompt, suffix, raw })).response, ' return a + b');
    assert.deepEqual(inputs.at(-1), expected);
  }
  assert.equal((await ollama.generate({ model, prompt: '', suffix })).response, ' return a + b');
  const { capabilities } = (await ollama.show({ model })) as unknown as { capabilities: readonly string[] };
  assert.deepEqual(capabilities, ['completion', 'insert']);
  await client.completions.create({ model, prompt, suffix: '' });
  assert.equal(inputs.at(-1)?.template, 'raw');
});

test('suffix: an error says which models can, in Ollama’s words', async (context) => {
  const able = createDictatedEngine('x', { name: 'coder', weights: 'coder' });
  const { url } = await startGateway(context, { providers: [{}, { engine: able, offering: { can: ['fim'] } }] });
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  await assert.rejects(
    client.completions.create({ model, prompt: 'a', suffix: 'b' }),
    /400 scripted\/q8_0 does not support insert \(models on offer that do: coder\/q8_0\)/,
  );
  const ollama = new Ollama({ host: url });
  await assert.rejects(ollama.generate({ model, prompt: 'a', suffix: 'b' }), /does not support insert/);
  await assert.rejects(ollama.generate({ model: 'coder', prompt: 'a', suffix: 'b', system: 's' }), /system/);
  // Without a name, a model that can is asked.
  const { choices } = await client.completions.create({ model: 'auto', prompt: 'a', suffix: 'b' });
  assert.equal(choices[0]?.text, 'x');
});
