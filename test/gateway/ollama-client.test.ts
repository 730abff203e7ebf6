import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ollama } from 'ollama';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { breakingClient, startGateway } from '../support/gateway.ts';

const model = 'scripted/q8_0';
const messages = [{ role: 'user', content: 'why is the sky blue?' }];
const said = { providers: [{ engine: createDictatedEngine('It scatters.') }] };

test('answers a chat, streamed or not', async (context) => {
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

test('answers a generation with options', async (context) => {
  const { url } = await startGateway(context, said);
  const client = new Ollama({ host: url });
  const stopped = await client.generate({
    model,
    prompt: 'why?',
    system: 'be brief',
    options: { stop: ['ters'], temperature: 0, seed: 3 },
  });
  assert.equal(stopped.response, 'It scat');
  const short = await client.generate({ model, prompt: 'why?', raw: true, options: { num_predict: 2 } });
  assert.deepEqual([short.response, short.done_reason, short.prompt_eval_count], ['It', 'length', 4]);
  let text = '';
  for await (const part of await client.generate({ model, prompt: 'why?', stream: true })) text += part.response;
  assert.equal(text, 'It scatters.');
});

test('lists models and reports a version', async (context) => {
  const { url, providers } = await startGateway(context, said);
  const client = new Ollama({ host: url });
  const { models } = await client.list();
  assert.deepEqual(
    models.map(({ name, digest, details }) => [name, digest, details.quantization_level]),
    [[model, providers[0]?.engine.facts.id, 'q8_0']],
  );
  // Codex refuses versions of Ollama below 0.13.4.
  const version = (await client.version()) as { version: string; qvac: string };
  const [major = 0, minor = 0, patch = 0] = version.version.split('.').map(Number);
  assert.ok(major * 1e6 + minor * 1e3 + patch >= 13_004, version.version);
  assert.equal(version.qvac, '0.0.0');
  // Ollama's own program probes the server this way.
  for (const path of ['/', '/api/tags', '/api/version']) {
    const seen = await fetch(`${url}${path}`, { method: 'HEAD' });
    assert.deepEqual([seen.status, await seen.text()], [200, ''], path);
  }
});

test('shows one model; models on offer count as running', async (context) => {
  const { url, providers } = await startGateway(context, said);
  const client = new Ollama({ host: url });
  const shown = await client.show({ model });
  assert.deepEqual(shown.capabilities, ['completion']);
  assert.equal(shown.details.quantization_level, 'q8_0');
  const { facts } = providers[0]?.engine ?? assert.fail();
  const info = shown.model_info as unknown as Record<string, unknown>;
  assert.equal(info[`${facts.arch}.context_length`], facts.context);
  const { models } = await client.ps();
  assert.deepEqual(
    models.map(({ name, digest }) => [name, digest]),
    [[model, facts.id]],
  );
  await assert.rejects(
    client.show({ model: 'absent' }),
    (error: Error & { status_code?: number }) => error.status_code === 404 && /absent/.test(error.message),
  );
});

test('finds a model under the names that Ollama’s clients write', async (context) => {
  const { url } = await startGateway(context, said);
  const client = new Ollama({ host: url });
  for (const name of ['scripted', 'scripted:latest', 'scripted:q8_0', model]) {
    assert.equal((await client.show({ model: name })).details.family !== '', true, name);
    assert.equal((await client.generate({ model: name, prompt: 'why?' })).response, 'It scatters.', name);
  }
  await assert.rejects(client.generate({ model: 'scripted:q4_0', prompt: 'why?' }), /scripted\/q4_0/);
});

test('accepts the fields that the client sends by default', async (context) => {
  const { url } = await startGateway(context, said);
  const client = new Ollama({ host: url });
  const answer = await client.chat({
    model,
    messages: [{ ...messages[0], images: [] } as never],
    keep_alive: '5m',
    tools: [],
    think: false,
    format: '',
    options: { num_ctx: 2048, top_p: 1, repeat_penalty: 1, num_predict: -1, presence_penalty: 0, mirostat: 0, seed: 0 },
  });
  assert.equal(answer.message.content, 'It scatters.');
});

test('the client throws if an answer ends early', async (context) => {
  const { url } = await startGateway(context, { inference: breakingClient });
  const client = new Ollama({ host: url });
  let text = '';
  await assert.rejects(async () => {
    for await (const part of await client.chat({ model, messages, stream: true })) text += part.message.content;
  }, /disconnected/);
  assert.equal(text, 'some');
  await assert.rejects(
    client.chat({ model, messages }),
    (error: Error & { status_code?: number }) => error.status_code === 502 && /disconnected/.test(error.message),
  );
});

test('refuses unsupported fields by name', async (context) => {
  const { url } = await startGateway(context, said);
  const client = new Ollama({ host: url });
  await assert.rejects(client.chat({ model, messages, format: 'xml' }), /format/);
  await assert.rejects(client.chat({ model, messages, options: { mirostat: 2 } }), /options\.mirostat/);
  await assert.rejects(client.chat({ model, messages: [{ role: 'user', content: 'x', images: ['aGk='] }] }), /images/);
  await assert.rejects(client.generate({ model, prompt: 'x', suffix: 'y' }), /does not support insert/);
  await assert.rejects(client.chat({ model: 'no-such-model', messages }), /no-such-model/);
});
