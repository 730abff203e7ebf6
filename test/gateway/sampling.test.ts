import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { seedOfNumber } from '../../src/protocol/digests.ts';
import type { ExtraSettings } from '../../src/protocol/messages.ts';
import { decodeExtra, decodeOffer } from '../../src/protocol/validate.ts';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { fetchReceipt, startGateway, type TestGateway } from '../support/gateway.ts';
import { createScriptedEngine, scriptedVocab } from '../support/scripted-engine.ts';

const model = 'scripted/q8_0';
const messages = [{ role: 'user' as const, content: 'why?' }];
const clientOf = (url: string): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });

/** Sends a request and returns what its job's receipt says, and the response's note of what was changed. */
async function askedOf({ url, receipts }: TestGateway, path: string, body: object) {
  const response = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify({ stream: false, ...body }) });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const id = response.headers.get('x-qvac-receipt') ?? '';
  const checked = await fetchReceipt(url, id);
  assert.equal(checked.headers.get('x-qvac-verified'), 'sampling');
  const { receipt } = await receipts.get(id);
  return {
    settings: decodeExtra(receipt.extra, scriptedVocab),
    sampler: decodeOffer(receipt.offer.body).sampler,
    adjusted: response.headers.get('x-qvac-adjusted'),
  };
}

test('every API’s settings reach the offer, in the protocol’s units', async (context) => {
  const gateway = await startGateway(context, { providers: [{ script: { stopAfter: 2 } }] });
  const penalties = { presence_penalty: 0.5, frequency_penalty: -1.25 };
  const asQ = { presence: 512, frequency: -1_280 };
  const chat = { messages, ...penalties, logit_bias: { 98: -100, 97: 5, 99: 0 }, stop: ['b', 'a', 'b'] };
  const cases: readonly (readonly [string, object, ExtraSettings])[] = [
    [
      '/v1/chat/completions',
      chat,
      {
        ...asQ,
        bias: [
          [97, 5_120],
          [98, -102_400],
        ],
        stopTexts: ['a', 'b'],
      },
    ],
    ['/v1/completions', { prompt: 'x', ...penalties, stop: 'END' }, { ...asQ, stopTexts: ['END'] }],
    ['/v1/messages', { messages, max_tokens: 4, stop_sequences: ['é', 'z'] }, { stopTexts: ['z', 'é'] }],
    ['/api/chat', { messages, options: { ...penalties, stop: ['END'] } }, { ...asQ, stopTexts: ['END'] }],
    ['/api/generate', { prompt: 'x', options: penalties }, asQ],
    ['/v1/responses', { input: 'x' }, {}],
  ];
  for (const [path, body, expected] of cases) {
    const { settings, adjusted } = await askedOf(gateway, path, body);
    assert.deepEqual(settings, expected, path);
    assert.equal(adjusted, null);
  }
});

test('what is capped or ignored is said in a header, in every API', async (context) => {
  const gateway = await startGateway(context, { providers: [{ script: { stopAfter: 2 } }] });
  const cases: readonly (readonly [string, object, string])[] = [
    ['/v1/chat/completions', { messages, top_k: 40, repetition_penalty: 1.1 }, 'top_k=20; repetition_penalty ignored'],
    ['/v1/completions', { prompt: 'x', top_k: 0 }, 'top_k=20'],
    ['/v1/responses', { input: 'x', top_k: -1 }, 'top_k=20'],
    ['/v1/messages', { messages, max_tokens: 4, top_k: 1_000 }, 'top_k=20'],
    [
      '/api/chat',
      { messages, options: { top_k: 40, top_p: 0.9, repeat_penalty: 1.1 } },
      'options.repeat_penalty ignored; options.top_k=20',
    ],
    ['/api/generate', { prompt: 'x', options: { top_k: 21 } }, 'options.top_k=20'],
  ];
  for (const [path, body, expected] of cases) {
    const { sampler, adjusted } = await askedOf(gateway, path, body);
    assert.equal(sampler.topK, 20);
    assert.deepEqual(adjusted?.split('; ').toSorted(), expected.split('; ').toSorted(), path);
  }
  const stream = await fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ messages, top_k: 40, stream: true }),
  });
  assert.equal(stream.headers.get('x-qvac-adjusted'), 'top_k=20');
  await stream.text();
});

test('n answers are n jobs, with the seeds that follow the first', async (context) => {
  const { url, receipts } = await startGateway(context, { providers: [{ script: { slots: 4 } }] });
  const client = clientOf(url);
  const question = { model, messages, max_tokens: 12, temperature: 1, seed: 7 };
  const { data, response } = await client.chat.completions.create({ ...question, n: 3 }).withResponse();
  assert.deepEqual(
    data.choices.map(({ index, finish_reason: reason }) => [index, reason]),
    [0, 1, 2].map((index) => [index, 'length']),
  );
  const texts = data.choices.map(({ message }) => message.content);
  assert.equal(new Set(texts).size, 3);
  assert.equal(data.usage?.completion_tokens, 36);
  const ids = response.headers.get('x-qvac-receipt')?.split(', ') ?? [];
  assert.equal(ids.length, 3);
  for (const id of ids) await fetchReceipt(url, id);
  const seeds = await Promise.all(ids.map(async (id) => decodeOffer((await receipts.get(id)).receipt.offer.body).seed));
  assert.deepEqual(seeds, [7n, 8n, 9n].map(seedOfNumber));
  const single = await client.chat.completions.create({ ...question, seed: 8 });
  assert.equal(single.choices[0]?.message.content, texts[1]);

  const streamed = ['', '', ''];
  const finished: (string | null)[] = [null, null, null];
  let last: OpenAI.ChatCompletionChunk | null = null;
  const options = { stream: true, stream_options: { include_usage: true } } as const;
  for await (const chunk of await client.chat.completions.create({ ...question, n: 3, ...options })) {
    for (const { index, delta, finish_reason: reason } of chunk.choices) {
      streamed[index] += delta.content ?? '';
      finished[index] = reason ?? finished[index] ?? null;
    }
    last = chunk;
  }
  assert.deepEqual(streamed, texts);
  assert.deepEqual(finished, ['length', 'length', 'length']);
  assert.equal(last?.usage?.completion_tokens, 36);
  const texted = await client.completions.create({ model, prompt: 'x', n: 2, max_tokens: 5, seed: 1, temperature: 1 });
  assert.equal(texted.choices.length, 2);
  assert.notEqual(texted.choices[0]?.text, texted.choices[1]?.text);
});

test('the seed after the last one is 0', async (context) => {
  const { url, receipts } = await startGateway(context, { providers: [{ script: { slots: 2 } }] });
  const body = JSON.stringify({ messages, max_tokens: 2, n: 2 }).replace(/\}$/, ',"seed":18446744073709551615}');
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body });
  const ids = response.headers.get('x-qvac-receipt')?.split(', ') ?? [];
  for (const id of ids) await fetchReceipt(url, id);
  const seeds = await Promise.all(ids.map(async (id) => decodeOffer((await receipts.get(id)).receipt.offer.body).seed));
  assert.deepEqual(seeds, [(1n << 64n) - 1n, 0n].map(seedOfNumber));
});

test('one answer of several that fails ends the request, and the others with it', async (context) => {
  const { url, providers } = await startGateway(context, {
    providers: [{ engine: createScriptedEngine({ slots: 1, queue: 1 }) }],
  });
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ messages, max_tokens: 1_500, n: 5 }),
  });
  assert.equal(answer.status, 503, await answer.text());
  for (const { engine } of providers)
    for (const deadline = AbortSignal.timeout(10_000); engine.slots.used > 0; ) {
      deadline.throwIfAborted();
      await new Promise((resume) => setImmediate(resume));
    }
});

test('a stop text of several tokens, one inside another, and one that is cut ends the answer where it should', async (context) => {
  const { url } = await startGateway(context, { providers: [{ engine: createDictatedEngine('a ENDINGS b é c') }] });
  const client = clientOf(url);
  const ask = async (stop: string[]): Promise<readonly [string | null | undefined, number | undefined]> => {
    const { choices, usage } = await client.chat.completions.create({ model, messages, stop });
    return [choices[0]?.message.content, usage?.completion_tokens];
  };
  assert.deepEqual(await ask(['ENDINGS', 'END']), ['a ', 'a END'.length]);
  assert.deepEqual(await ask(['ENDLESS', 'b']), ['a ENDINGS ', 'a ENDINGS b'.length]);
  assert.deepEqual(await ask(['é']), ['a ENDINGS b ', 'a ENDINGS b '.length + 2]);
  assert.deepEqual(await ask(['nowhere', 'x'.repeat(10_000)]), ['a ENDINGS b é c', 'a ENDINGS b é c'.length + 2]);
});
