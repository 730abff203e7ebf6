import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ollama } from 'ollama';
import OpenAI from 'openai';
import { parseKeys } from '../../src/gateway/guard/keys.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { openSpendingLimits } from '../../src/node/payment/spending-limits.ts';
import { normalised } from '../../src/proofs/embedding/distance.ts';
import { embedInput } from '../../src/protocol/embedding.ts';
import { startGateway, testToken } from '../support/gateway.ts';
import { paidPrices } from '../support/paid.ts';
import { clientPayments, providerPayments, startChain } from '../support/payments.ts';
import { createScriptedEmbedder, scriptedDimensions } from '../support/scripted-embedder.ts';

const model = 'scripted-embed/q8_0';
const texts = ['hello', 'привет, мир', 'hello'];
const clientOf = (url: string): OpenAI => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
/** One provider that embeds, and one that answers. */
const both = { providers: [{ engine: createScriptedEmbedder() }, {}] };

/** The vectors that the model gives, with length 1. */
async function expected(of: readonly string[]): Promise<readonly (readonly number[])[]> {
  const engine = createScriptedEmbedder();
  const vectors: number[][] = [];
  for (const text of of) {
    const { tokens } = engine.tokenizer.encodePrompt(embedInput([text]));
    const vector = (await engine.embed?.(tokens)) ?? assert.fail();
    vectors.push([...normalised(vector)]);
  }
  return vectors;
}

function assertSame(found: readonly (readonly number[])[], wanted: readonly (readonly number[])[]): void {
  assert.deepEqual(
    found.map((vector) => vector.map(Math.fround)),
    wanted.map((vector) => vector.map(Math.fround)),
  );
}

test('OpenAI’s client gets vectors of length 1, as numbers and as bytes', async (context) => {
  const { url, providers, fetchAsPage } = await startGateway(context, { ...both, here: [createScriptedEmbedder()] });
  const wanted = await expected(texts);
  for (const encoding_format of ['float', 'base64', undefined] as const) {
    const { data, response } = await clientOf(url)
      .embeddings.create({ model, input: texts, ...(encoding_format === undefined ? {} : { encoding_format }) })
      .withResponse();
    assert.deepEqual(
      data.data.map(({ index }) => index),
      [0, 1, 2],
    );
    const vectors = data.data.map(({ embedding }) => (encoding_format === 'base64' ? decoded(embedding) : embedding));
    assertSame(vectors, wanted);
    assert.equal(data.model, model);
    assert.equal(
      data.usage.prompt_tokens,
      texts.reduce((sum, text) => sum + Buffer.byteLength(text) + 2, 0),
    );
    assert.equal(response.headers.get('x-qvac-provider'), providers[0]?.peer.id);
    assert.equal(response.headers.get('x-qvac-verified'), 'exact');
    assert.match(response.headers.get('x-qvac-receipt') ?? '', /^[0-9a-f]{64}$/);
  }
  const one = await clientOf(url).embeddings.create({ model, input: 'hello', dimensions: scriptedDimensions });
  assertSame([one.data[0]?.embedding ?? []], wanted.slice(0, 1));
  const { receipts } = (await (await fetchAsPage('/qvac/receipts')).json()) as {
    readonly receipts: readonly Readonly<Record<string, unknown>>[];
  };
  assert.deepEqual(receipts.map(({ tokens, vectors }) => [tokens, vectors]).toSorted(), [
    [0, 1],
    [0, 3],
    [0, 3],
    [0, 3],
  ]);
});

/** OpenAI's client leaves the text as it is if base64 was asked for. */
function decoded(embedding: unknown): readonly number[] {
  const bytes = Buffer.from(String(embedding), 'base64');
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(4 * at));
}

test('Ollama’s client gets them by both of its ways, and cuts long texts', async (context) => {
  const { url } = await startGateway(context, both);
  const client = new Ollama({ host: url });
  const { embeddings, prompt_eval_count: count } = await client.embed({ model, input: texts });
  assertSame(embeddings, await expected(texts));
  assert.ok(count > 0);
  const { embedding } = await client.embeddings({ model: 'scripted-embed:latest', prompt: 'hello' });
  assertSame([embedding], await expected(['hello']));
  const long = 'x'.repeat(300);
  const cut = await client.embed({ model, input: long });
  assertSame(cut.embeddings, await expected(['x'.repeat(62)]));
  await assert.rejects(client.embed({ model, input: long, truncate: false }), /has 302 tokens, .*at most 64/);
  // No text only asks whether the model is there.
  assert.deepEqual((await client.embed({ model, input: '' })).embeddings, []);
  await assert.rejects(client.embed({ model: 'nothing', input: '' }), /no provider offers nothing/);
});

test('lists say what a model can, and each is refused what the other does', async (context) => {
  const { url } = await startGateway(context, both);
  const client = clientOf(url);
  const { data } = await client.models.list();
  const embedding = data.map((each) => [each.id, (each as unknown as { qvac: { embedding: unknown } }).qvac.embedding]);
  assert.deepEqual(Object.fromEntries(embedding), { [model]: scriptedDimensions, 'scripted/q8_0': null });
  const shown = await new Ollama({ host: url }).show({ model });
  assert.deepEqual(shown.capabilities, ['embedding']);
  await assert.rejects(
    client.chat.completions.create({ model, messages: [{ role: 'user', content: 'hi' }] }),
    (error) => error instanceof OpenAI.APIError && error.status === 400 && /does not support chat/.test(error.message),
  );
  await assert.rejects(
    client.embeddings.create({ model: 'scripted', input: 'a' }),
    (error) =>
      error instanceof OpenAI.APIError &&
      error.status === 400 &&
      /scripted\/q8_0 does not support embeddings \(models on offer that do: scripted-embed/.test(error.message),
  );
  // Without a name, each API finds its own.
  const answer = await client.chat.completions.create({ model: '', messages: [{ role: 'user', content: 'hi' }] });
  assert.equal(answer.model, 'scripted/q8_0');
  assert.equal((await client.embeddings.create({ model: 'auto', input: 'a' })).model, model);
});

test('errors are those that clients expect', async (context) => {
  const { url } = await startGateway(context, both);
  const failing = async (body: object): Promise<readonly [number, string, string]> => {
    const response = await fetch(`${url}/v1/embeddings`, { method: 'POST', body: JSON.stringify({ model, ...body }) });
    const { error } = (await response.json()) as { error: { code: string; message: string } };
    return [response.status, error.code, error.message];
  };
  const cases: readonly (readonly [object, number, string, RegExp])[] = [
    [{ model: 'nothing', input: 'a' }, 404, 'model_not_found', /no provider offers nothing/],
    [{ input: 'x'.repeat(300) }, 400, 'context_length_exceeded', /text 1 has 302 tokens, .* takes at most 64/],
    [{ input: [] }, 400, 'E_USAGE', /input: expected a text/],
    [{ input: [1, 2, 3] }, 400, 'E_USAGE', /input\[0\]: expected text; token ids are not taken/],
    [{ input: [[1, 2], [3]] }, 400, 'E_USAGE', /token ids are not taken/],
    [{ input: ['a', '\ud800'] }, 400, 'E_USAGE', /input\[1\]: not Unicode/],
    [{ input: Array.from({ length: 2_049 }, () => 'a') }, 400, 'E_USAGE', /2049 texts, at most 2048/],
    [{ input: 'a', dimensions: 4 }, 400, 'E_UNSUPPORTED', /dimensions other than 8.*have 8 numbers/],
    [{ input: 'a', encoding_format: 'int8' }, 400, 'E_USAGE', /encoding_format: expected float, base64/],
    [{ input: 'a', unknown: 1 }, 400, 'E_UNSUPPORTED', /unknown/],
    [{ input: 'a', qvac: { referees: 1 } }, 400, 'E_UNSUPPORTED', /qvac\.referees.*vectors have none/],
  ];
  for (const [body, status, code, words] of cases) {
    const [foundStatus, foundCode, message] = await failing(body);
    assert.deepEqual([foundStatus, foundCode], [status, code], message);
    assert.match(message, words);
  }
  const put = await fetch(`${url}/v1/embeddings`, { method: 'PUT', body: '{}' });
  assert.deepEqual([put.status, put.headers.get('allow')], [405, 'POST']);
});

test('vectors that are not the model’s are not passed on', async (context) => {
  const { url } = await startGateway(context, {
    providers: [{ engine: createScriptedEmbedder({ damage: 0.3 }) }],
    here: [createScriptedEmbedder()],
  });
  await assert.rejects(
    clientOf(url).embeddings.create({ model, input: texts }),
    (error) => error instanceof OpenAI.APIError && error.status === 502 && /exact-mismatch/.test(error.message),
  );
});

test('a key’s limit counts vectors before they are paid, and says when it is used up', async (context) => {
  const chain = await startChain(context);
  const ring = parseKeys('key-of-the-laptop-0001 laptop 3000', 'keys');
  const clock = { now: () => 20_000 * 86_400_000 };
  const limits = await openSpendingLimits({ clock, logger: silentLogger }, { path: null, limitOf: ring.limitOf });
  const { payments } = await clientPayments(context, chain);
  const { url } = await startGateway(context, {
    providers: [
      {
        engine: createScriptedEmbedder(),
        offering: { tokensPerSecond: 100, ...paidPrices },
        payments: async (peer) => (await providerPayments(context, chain, peer)).payments,
      },
    ],
    payments,
    gateway: { keys: { ring, limits }, defaults: { ...defaults, maxPrice: 100_000 } },
  });
  const send = (input: string, secret: string): Promise<Response> =>
    fetch(`${url}/v1/embeddings`, {
      method: 'POST',
      body: JSON.stringify({ model, input }),
      headers: { authorization: `Bearer ${secret}` },
    });
  assert.equal((await send('hello', 'a-stranger-without-key')).status, 401);
  // Its highest price, by the bytes of the text, is above the limit.
  const refused = await send('hello', 'key-of-the-laptop-0001');
  assert.equal(refused.status, 402, await refused.text());
  assert.equal(limits.left('laptop'), 3000n);
  const free = await send('hello', testToken);
  assert.equal(free.status, 200, await free.clone().text());
  assert.equal(free.headers.get('x-qvac-cost-lamports'), String((7 * paidPrices.priceIn) / 1_000));
});

const defaults = {
  model: null,
  provider: null,
  system: null,
  temperature: 0,
  topK: 1,
  minP: 0,
  topP: 1,
  maxTokens: 5,
  verify: null,
  referees: null,
  mostReferees: 0,
  maxPrice: 400,
  timeoutMs: 60_000,
} as const;
