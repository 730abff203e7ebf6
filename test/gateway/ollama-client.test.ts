import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ollama } from 'ollama';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { startGateway } from '../support/gateway.ts';

const model = 'scripted/q8_0';
const messages = [{ role: 'user', content: 'why is the sky blue?' }];
const said = { providers: [{ engine: createDictatedEngine('It scatters.') }] };

test('a chat, streamed or not', async (context) => {
  const { url } = await startGateway(context, said);
  const client = new Ollama({ host: url });
  const whole = await client.chat({ model, messages });
  assert.equal(whole.message.content, 'It scatters.');
  assert.equal(whole.done, true);
  assert.equal(whole.done_reason, 'stop');
  assert.equal(whole.eval_count, 'It scatters.'.length + 1);
  assert.ok(whole.prompt_eval_count > 0 && whole.total_duration > 0);
  let text = '';
  let last: object = {};
  for await (const part of await client.chat({ model, messages, stream: true })) {
    text += part.message.content;
    last = part;
  }
  assert.equal(text, 'It scatters.');
  assert.match((last as Record<string, string>)['x-qvac-receipt'] ?? '', /^[0-9a-f]{64}$/);
});

test('a generation, with options', async (context) => {
  const { url } = await startGateway(context, said);
  const client = new Ollama({ host: url });
  const stopped = await client.generate({ model, prompt: 'why?', system: 'be brief', options: { stop: ['ters'], temperature: 0, seed: 3 } });
  assert.equal(stopped.response, 'It scat');
  const short = await client.generate({ model, prompt: 'why?', raw: true, options: { num_predict: 2 } });
  assert.deepEqual([short.response, short.done_reason, short.prompt_eval_count], ['It', 'length', 4]);
  let text = '';
  for await (const part of await client.generate({ model, prompt: 'why?', stream: true })) text += part.response;
  assert.equal(text, 'It scatters.');
});

test('models and version are told', async (context) => {
  const { url, providers } = await startGateway(context, said);
  const client = new Ollama({ host: url });
  const { models } = await client.list();
  assert.deepEqual(models.map(({ name, digest, details }) => [name, digest, details.quantization_level]), [[model, providers[0]?.engine.facts.id, 'q8_0']]);
  assert.equal((await client.version()).version, '0.0.0');
});

test('what is not supported is refused by name', async (context) => {
  const { url } = await startGateway(context, said);
  const client = new Ollama({ host: url });
  await assert.rejects(client.chat({ model, messages, format: 'json' }), /format/);
  await assert.rejects(client.chat({ model, messages, options: { mirostat: 2 } }), /options\.mirostat/);
  await assert.rejects(client.chat({ model, messages, options: { num_ctx: 4096 } }), /options\.num_ctx/);
  await assert.rejects(client.chat({ model, messages: [{ role: 'user', content: 'x', images: ['aGk='] }] }), /images/);
  await assert.rejects(client.generate({ model, prompt: 'x', suffix: 'y' }), /suffix/);
  await assert.rejects(client.chat({ model: 'no-such-model', messages }), /no-such-model/);
});
