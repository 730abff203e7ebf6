import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QvacError } from '../../src/errors.ts';
import { type KeyRing, parseKeys } from '../../src/gateway/guard/keys.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { openSpendingLimits, type SpendingLimits } from '../../src/node/payment/spending-limits.ts';
import { noModels, startGateway, testDefaults, testToken } from '../support/gateway.ts';
import { createScriptedEmbedder } from '../support/scripted-embedder.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const question = { model: 'scripted/q8_0', messages: [{ role: 'user', content: 'why?' }], max_tokens: 40 };
const limitsOf = (ring: KeyRing, now = () => 0) =>
  openSpendingLimits({ clock: { now }, logger: silentLogger }, { path: null, limitOf: ring.limitOf });
const post = (url: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify({ ...question, ...body }), headers });

test('requires a key if keys are in use, and limits each key’s spending', async (context) => {
  const ring = parseKeys('# mine\nkey-of-the-laptop-0001 laptop 500\nkey-of-the-desktop-002 desktop', 'keys');
  let day = 20_000 * 86_400_000;
  const limits = await limitsOf(ring, () => day);
  const asked: number[] = [];
  const priced = await startGateway(context, {
    inference: {
      ...noModels,
      async complete({ maxPrice }, hooks) {
        asked.push(maxPrice);
        hooks.accepted(
          { provider: '12D3KooWx' as never, router: null, model: { id: '00' as never, name: 'm', quant: 'q' } },
          3,
        );
        hooks.delivered({
          finish: 'stop',
          promptTokens: 3,
          tokens: 2,
          cost: BigInt(Math.min(300, maxPrice)),
          receipt: 'ab'.repeat(32) as never,
        });
        return { verified: 'sampling', faults: [], referees: null, steps: null };
      },
    },
    gateway: {
      keys: { ring, limits },
      defaults: {
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
        timeoutMs: 1_000,
      },
    },
  });
  assert.equal((await post(priced.url, {})).status, 401);
  const keyed = { authorization: 'Bearer key-of-the-laptop-0001' };
  for (const cost of ['300', '200', '0'])
    assert.equal((await post(priced.url, {}, keyed)).headers.get('x-qvac-cost-lamports'), cost);
  assert.equal(
    (await post(priced.url, { qvac: { max_price: 10 } }, { 'x-api-key': 'key-of-the-desktop-002' })).headers.get(
      'x-qvac-cost-lamports',
    ),
    '10',
  );
  assert.deepEqual(asked, [400, 200, 0, 10]);
  day += 86_400_001;
  assert.equal((await post(priced.url, {}, keyed)).headers.get('x-qvac-cost-lamports'), '300');
  assert.throws(() => parseKeys('short laptop', 'keys'), /keys:1: a key needs at least 16/);
  assert.throws(() => parseKeys('', 'keys'), /no key/);
  const twice = 'key-of-the-laptop-0001 laptop\nkey-of-the-laptop-0002 laptop';
  assert.throws(() => parseKeys(twice, 'keys'), /keys:2: the name is used twice/);
});

test('concurrent requests do not spend a key’s limit twice', async (context) => {
  const ring = parseKeys('key-of-the-laptop-0001 laptop 500', 'keys');
  const limits = await limitsOf(ring);
  const asked: number[] = [];
  const [all, met] = [Promise.withResolvers<void>(), Promise.withResolvers<boolean>()];
  let waiting = 0;
  const { url } = await startGateway(context, {
    inference: {
      ...noModels,
      // All requests read the remaining limit before any of them continues.
      holds() {
        if (++waiting === 4) met.resolve(true);
        return met.promise;
      },
      async complete({ maxPrice }) {
        if (asked.push(maxPrice) === 4) all.resolve();
        await all.promise;
        throw new QvacError('E_TOO_DEAR', 'too dear');
      },
    },
    gateway: {
      keys: { ring, limits },
      defaults: {
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
        timeoutMs: 1_000,
      },
    },
  });
  const headers = { authorization: 'Bearer key-of-the-laptop-0001' };
  await Promise.all(Array.from({ length: 4 }, () => post(url, { logprobs: true }, headers)));
  assert.equal(
    asked.reduce((sum, most) => sum + most, 0),
    500,
  );
  // None of them cost anything, so the whole limit is available again.
  await post(url, {}, headers);
  assert.equal(asked[4], 400);
});

test('counts the cost of failed answers once it is known, and keeps the reservation until then', async (context) => {
  const ring = parseKeys('key-of-the-laptop-0001 laptop 500', 'keys');
  const limits = await limitsOf(ring);
  const asked: number[] = [];
  const known = Promise.withResolvers<bigint>();
  const { url } = await startGateway(context, {
    inference: {
      ...noModels,
      async complete({ maxPrice }, hooks) {
        if (asked.push(maxPrice) === 1) hooks.failedAnswerCost?.(known.promise);
        throw new QvacError('E_FAILED', 'the provider failed');
      },
    },
    gateway: {
      keys: { ring, limits },
      defaults: {
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
        timeoutMs: 1_000,
      },
    },
  });
  const headers = { authorization: 'Bearer key-of-the-laptop-0001' };
  await post(url, {}, headers);
  await post(url, {}, headers);
  known.resolve(350n);
  await known.promise;
  await post(url, {}, headers);
  assert.deepEqual(asked, [400, 100, 150]);
});

test('without keys, only requests with the token may spend', async (context) => {
  const asked: number[] = [];
  const { url } = await startGateway(context, {
    inference: {
      ...noModels,
      async complete({ maxPrice }) {
        asked.push(maxPrice);
        throw new QvacError('E_TOO_DEAR', 'too dear');
      },
    },
    gateway: {
      defaults: {
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
        timeoutMs: 1_000,
      },
    },
  });
  assert.equal((await post(url, {}, { authorization: 'Bearer none' })).status, 402);
  assert.equal((await post(url, { qvac: { max_price: 1_000 } }, { authorization: `Bearer ${testToken}` })).status, 402);
  assert.deepEqual(asked, [0, 400]);
});

test('of requests that find room at once only as many begin as there is room for, and the others cost nothing', async (context) => {
  const ring = parseKeys('key-of-the-laptop-0001 laptop 500', 'keys');
  for (const [path, engine, asked] of [
    ['/v1/chat/completions', createScriptedEngine(), question],
    ['/v1/embeddings', createScriptedEmbedder(), { model: 'scripted-embed/q8_0', input: 'why?' }],
  ] as const) {
    const [reserved, charged]: [string[], [string, bigint][]] = [[], []];
    const all = Promise.withResolvers<boolean>();
    const limits: SpendingLimits = {
      left: () => 500n,
      // All of them have found room before any of them begins.
      reserve(id) {
        if (reserved.push(id) === 3) all.resolve(true);
        return all.promise;
      },
      charge: (id, spent) => void charged.push([id, spent]),
    };
    const { url } = await startGateway(context, {
      providers: [{ engine }],
      gateway: { keys: { ring, limits }, defaults: { ...testDefaults, maxPrice: 400 }, limits: { requests: 1 } },
    });
    const headers = { authorization: 'Bearer key-of-the-laptop-0001', 'content-type': 'application/json' };
    const ask = () => fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(asked) });
    const answers = await Promise.all([ask(), ask(), ask()]);
    const refused = answers.filter(({ status }) => status === 503);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 503, 503], path);
    assert.deepEqual(
      refused.map((each) => each.headers.get('retry-after')),
      ['2', '2'],
    );
    assert.deepEqual(charged.slice(0, 2), [
      [reserved[1], 0n],
      [reserved[2], 0n],
    ]);
  }
});
