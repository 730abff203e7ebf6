import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { QvacError } from '../../src/errors.ts';
import type { InferenceClient, InferenceObserver } from '../../src/gateway/answer/inference-client.ts';
import { parseKeys } from '../../src/gateway/guard/keys.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { openSpendingLimits } from '../../src/node/payment/spending-limits.ts';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { createGate } from '../support/gate.ts';
import { noModels, startGateway } from '../support/gateway.ts';

const messages = [{ role: 'user', content: 'why?' }];

/** A request for every API. */
const apis = [
  { path: '/v1/chat/completions', body: { messages }, shape: 'openai' },
  { path: '/v1/completions', body: { prompt: 'why?' }, shape: 'openai' },
  { path: '/v1/responses', body: { input: 'why?' }, shape: 'openai' },
  { path: '/v1/messages', body: { messages, max_tokens: 40 }, shape: 'anthropic' },
  { path: '/api/chat', body: { messages }, shape: 'ollama' },
  { path: '/api/generate', body: { prompt: 'why?' }, shape: 'ollama' },
] as const;

interface Told {
  /** Ours. */
  readonly code: string;
  /** The API's own. */
  readonly apiCode: string;
  readonly message: string;
  readonly type: string | null;
}

function told(shape: (typeof apis)[number]['shape'], text: string): Told {
  const body = JSON.parse(text) as {
    readonly type?: string;
    readonly code?: string;
    readonly error: string | (Told & { readonly qvac_code?: string });
  };
  if (shape === 'ollama')
    return { code: body.code ?? '', apiCode: body.code ?? '', message: String(body.error), type: null };
  assert.equal(body.type, shape === 'anthropic' ? 'error' : undefined);
  assert.ok(typeof body.error === 'object');
  const { code, qvac_code: own = code, message, type } = body.error;
  return { code: own, apiCode: code, message, type };
}

const failing = (error: QvacError): InferenceClient => ({
  ...noModels,
  complete: () => Promise.reject(error),
});

test('returns each error in the API’s own format, with the status that its clients act on', async (context) => {
  for (const [ownCode, status, openai, anthropic, openaiCode] of [
    ['E_NO_PROVIDER', 404, 'not_found_error', 'not_found_error', 'model_not_found'],
    ['E_NO_MODEL', 404, 'not_found_error', 'not_found_error', 'model_not_found'],
    ['E_BUSY', 503, 'api_error', 'overloaded_error', 'E_BUSY'],
    ['E_TOO_DEAR', 402, 'insufficient_quota', 'billing_error', 'E_TOO_DEAR'],
    ['E_TIMEOUT', 504, 'api_error', 'timeout_error', 'E_TIMEOUT'],
    ['E_BAD_INPUT', 400, 'invalid_request_error', 'invalid_request_error', 'E_BAD_INPUT'],
    ['E_CONTEXT', 400, 'invalid_request_error', 'invalid_request_error', 'context_length_exceeded'],
    ['E_VERIFICATION_FAILED', 502, 'api_error', 'api_error', 'E_VERIFICATION_FAILED'],
  ] as const) {
    const error = new QvacError(ownCode, `${ownCode} happened`);
    const { url } = await startGateway(context, { inference: failing(error), providers: [] });
    for (const { path, body, shape } of apis) {
      for (const stream of [true, false]) {
        const response = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify({ ...body, stream }) });
        assert.equal(response.status, status, `${path} ${error.code}`);
        assert.equal(response.headers.get('content-type'), 'application/json');
        assert.equal(response.headers.get('retry-after') !== null, status === 503);
        const { code, apiCode, message, type } = told(shape, await response.text());
        assert.deepEqual([code, message], [error.code, error.message]);
        assert.equal(apiCode, shape === 'openai' ? openaiCode : error.code);
        assert.equal(type, { openai, anthropic, ollama: null }[shape]);
      }
    }
  }
});

test('hides the message of a bug', async (context) => {
  const { url } = await startGateway(context, {
    inference: {
      ...noModels,
      complete: () => Promise.reject(new TypeError('/home/somebody: x is undefined')),
    },
    providers: [],
  });
  const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify({ messages }) });
  assert.equal(response.status, 500);
  const { code, message, type } = told('openai', await response.text());
  assert.deepEqual([code, message, type], ['E_BUG', 'the gateway failed', 'api_error']);
});

test('refuses other methods and unknown paths in each API’s format', async (context) => {
  const { url } = await startGateway(context, { providers: [] });
  for (const { path, shape } of apis) {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const response = await fetch(`${url}${path}`, { method });
      assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST'], `${method} ${path}`);
      assert.match(told(shape, await response.text()).message, /takes POST/);
    }
  }
  for (const [path, shape, code] of [
    ['/v1/moderations', 'openai', 'E_NOT_FOUND'],
    ['/v1/messages/batches', 'anthropic', 'E_NOT_FOUND'],
    ['/api/push', 'ollama', 'E_NOT_FOUND'],
    ['/api/embed', 'ollama', 'E_NO_PROVIDER'],
    ['/api/embeddings', 'ollama', 'E_NO_PROVIDER'],
  ] as const) {
    const response = await fetch(`${url}${path}`, { method: 'POST', body: '{}' });
    assert.equal(response.status, 404);
    const said = told(shape, await response.text());
    assert.equal(said.code, code);
  }
  const missing = await fetch(`${url}/v1/models/absent`, { headers: { 'anthropic-version': '2023-06-01' } });
  assert.deepEqual([missing.status, told('anthropic', await missing.text()).type], [404, 'not_found_error']);
});

test('a client that asks for a web socket is told to go on without', async (context) => {
  const { url } = await startGateway(context);
  // Codex turns to POST at this status, and tries again for seconds at others.
  const asked = get(`${url}/v1/responses`, { headers: { connection: 'Upgrade', upgrade: 'websocket' } });
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  response.resume();
  assert.deepEqual([response.statusCode, response.headers.allow], [426, 'POST']);
});

test('refuses a missing key and a foreign origin in each API’s format', async (context) => {
  const ring = parseKeys('key-of-the-laptop-0001 laptop', 'keys');
  const clock = { now: () => 0 };
  const limits = await openSpendingLimits({ clock, logger: silentLogger }, { path: null, limitOf: ring.limitOf });
  const keys = { ring, limits };
  const { url } = await startGateway(context, { providers: [], gateway: { keys } });
  for (const { path, body, shape } of apis) {
    for (const [headers, status, code, type] of [
      [{}, 401, 'E_TOKEN', 'authentication_error'],
      [{ origin: 'https://evil.example' }, 403, 'E_ORIGIN', 'permission_error'],
    ] as const) {
      const response = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body), headers });
      assert.equal(response.status, status);
      const said = told(shape, await response.text());
      assert.deepEqual([said.code, said.type], [code, shape === 'ollama' ? null : type]);
    }
  }
});

test('limits the request rate in each API’s format', async (context) => {
  const { url } = await startGateway(context, {
    providers: [],
    gateway: { limits: { rate: { burst: 0, perSecond: 1 } } },
  });
  for (const { path, shape } of apis) {
    const response = await fetch(`${url}${path}`, { method: 'POST', body: '{}' });
    assert.deepEqual([response.status, response.headers.get('retry-after')], [429, '1']);
    assert.equal(told(shape, await response.text()).code, 'E_RATE');
  }
});

test('refuses requests above its own limit with retry-after', async (context) => {
  const gate = createGate(0);
  const { url } = await startGateway(context, {
    providers: [{ script: { beforeStep: gate.beforeStep } }],
    gateway: { limits: { requests: 1 } },
  });
  const ask = (): Promise<Response> =>
    fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify({ messages, max_tokens: 2 }) });
  const first = ask();
  await gate.reached;
  const second = await ask();
  assert.deepEqual(
    [second.status, second.headers.get('retry-after'), told('openai', await second.text()).code],
    [503, '2', 'E_BUSY'],
  );
  gate.open();
  assert.equal((await first).status, 200);
});

test('returns a complete response for an empty answer', async (context) => {
  const { url } = await startGateway(context, { providers: [{ engine: createDictatedEngine('') }] });
  for (const { path, body } of apis) {
    for (const stream of [false, true]) {
      const response = await fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify({ ...body, stream }) });
      const text = await response.text();
      assert.equal(response.status, 200);
      assert.match(
        text,
        stream ? /"x-qvac-receipt":"[0-9a-f]{64}"/ : /"(completion_tokens|output_tokens|eval_count)":1\b/,
        path,
      );
    }
  }
});

test('refuses requests above a provider’s limit as busy and cuts none off', async (context) => {
  const gate = createGate(0);
  const { url } = await startGateway(context, {
    providers: [{ provider: { burst: 1_000 }, script: { beforeStep: gate.beforeStep, slots: 200 } }],
  });
  const ask = async (): Promise<string> => {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ messages, max_tokens: 2 }),
    });
    const text = await response.text();
    return response.ok
      ? '200'
      : `${response.status} ${told('openai', text).code} ${response.headers.get('retry-after')}`;
  };
  let refused = 0;
  const asked = Array.from({ length: 144 }, async () => {
    const said = await ask();
    if (said !== '200' && ++refused === 16) gate.open();
    return said;
  });
  const said = await Promise.all(asked);
  assert.deepEqual(new Set(said), new Set(['200', '503 E_BUSY 2']));
  assert.equal(said.filter((each) => each === '200').length, 128);
});

test('another provider answers when one is full', async (context) => {
  const gate = createGate(0);
  const crowded = { provider: { burst: 1_000 }, script: { beforeStep: gate.beforeStep, slots: 200 } };
  const { url } = await startGateway(context, { providers: [crowded, crowded] });
  const asked = Array.from(
    { length: 144 },
    async () =>
      (await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify({ messages, max_tokens: 2 }) }))
        .status,
  );
  gate.open();
  assert.deepEqual(new Set(await Promise.all(asked)), new Set([200]));
});

/** Delivers a complete answer. */
function answering(hooks: InferenceObserver): void {
  hooks.accepted(
    { provider: '12D3KooWx' as never, router: null, model: { id: '00' as never, name: 'm', quant: 'q' } },
    3,
  );
  void hooks.text('some');
  hooks.delivered({ finish: 'stop', promptTokens: 3, tokens: 2, cost: 7n, receipt: 'ab'.repeat(32) as never });
}

test('keeps an answer whose verification fails to finish', async (context) => {
  const inference: InferenceClient = {
    ...noModels,
    holds: async () => true,
    async complete(_question, hooks) {
      answering(hooks);
      throw new QvacError('E_ENGINE', 'no memory for a second copy');
    },
  };
  const { url } = await startGateway(context, { inference, providers: [], gateway: { waitVerdict: true } });
  for (const stream of [false, true]) {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ messages, stream }),
    });
    const text = await response.text();
    assert.equal(response.status, 200);
    assert.match(text, /"content":"some"/);
    assert.equal(
      stream ? /"x-qvac-verified":"([a-z]+)"/.exec(text)?.[1] : response.headers.get('x-qvac-verified'),
      'inconclusive',
    );
  }
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /qvac_jobs_total\{outcome="delivered"\} 2/);
  assert.match(metrics, /qvac_verifications_total\{result="inconclusive"\} 2/);
  assert.doesNotMatch(metrics, /E_ENGINE/);
});

test('fails if log-probabilities cannot be recomputed, instead of omitting them', async (context) => {
  const inference: InferenceClient = {
    ...noModels,
    holds: async () => true,
    async complete(_question, hooks) {
      answering(hooks);
      return { verified: 'exact', faults: [], referees: null, steps: null };
    },
  };
  const { url } = await startGateway(context, { inference, providers: [] });
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ messages, logprobs: true }),
  });
  assert.equal(response.status, 500);
  assert.equal(told('openai', await response.text()).code, 'E_ENGINE');
});

test('reports requests in progress by state in the metrics', async (context) => {
  const [asked, answered, checked] = [
    Promise.withResolvers<InferenceObserver>(),
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
  ];
  const inference: InferenceClient = {
    ...noModels,
    async complete(_question, hooks) {
      asked.resolve(hooks);
      await answered.promise;
      answering(hooks);
      await checked.promise;
      return { verified: 'sampling', faults: [], referees: null, steps: null };
    },
  };
  const { url } = await startGateway(context, { inference, providers: [] });
  const states = async (): Promise<readonly string[]> =>
    [...(await (await fetch(`${url}/metrics`)).text()).matchAll(/qvac_questions_active\{state="(\w+)"\} 1/g)].map(
      ([, state]) => state ?? '',
    );
  const response = fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify({ messages }) });
  const hooks = await asked.promise;
  assert.deepEqual(await states(), ['waiting']);
  hooks.accepted(
    { provider: '12D3KooWx' as never, router: null, model: { id: '00' as never, name: 'm', quant: 'q' } },
    3,
  );
  await hooks.text('a');
  assert.deepEqual(await states(), ['answering']);
  answered.resolve();
  while ((await states())[0] === 'answering');
  assert.deepEqual(await states(), ['checking']);
  checked.resolve();
  await (await response).text();
  assert.deepEqual(await states(), []);
});
