import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { QvacError } from '../../src/errors.ts';
import type { CheckedAnswer, InferenceClient } from '../../src/gateway/answer/inference-client.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { createGate } from '../support/gate.ts';
import { breakingClient, fetchReceipt, noModels, startGateway } from '../support/gateway.ts';
import { startRouter } from '../support/router.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const question = { model: 'scripted/q8_0', messages: [{ role: 'user', content: 'why?' }], max_tokens: 40 };
const post = (url: string, body: object, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify({ ...question, ...body }), headers });

test('reports a prompt that does not fit as the request’s own error', async (context) => {
  const { url } = await startGateway(context);
  const response = await post(url, { messages: [{ role: 'user', content: 'why? '.repeat(1_000) }] });
  assert.equal(response.status, 400);
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  assert.equal(error.code, 'context_length_exceeded');
  assert.match(error.message, /^prompt is too long: .*do not fit, the maximum context length is 2048 tokens .*shorten/);
});

test('a client that disconnects cancels the job and pays for the tokens delivered', async (context) => {
  const gate = createGate(5);
  const { url, providers } = await startGateway(context, { providers: [{ script: { beforeStep: gate.beforeStep } }] });
  const controller = new AbortController();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ ...question, stream: true }),
    signal: controller.signal,
  });
  await response.body?.getReader().read();
  await gate.reached;
  controller.abort();
  const [provider] = providers;
  const finished = await provider?.events.until('job-finished');
  gate.open();
  assert.equal(finished?.finish, 2);
  assert.ok((finished?.tokens ?? 40) <= 6);
});

test('counts a client that disconnected before the end of the response as 499', async (context) => {
  const gate = createGate(0);
  const { url } = await startGateway(context, { providers: [{ script: { beforeStep: gate.beforeStep } }] });
  const controller = new AbortController();
  const asked = fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify(question),
    signal: controller.signal,
  });
  await gate.reached;
  controller.abort();
  await assert.rejects(asked);
  gate.open();
  const counted = async (): Promise<boolean> =>
    (await (await fetch(`${url}/metrics`)).text()).includes(
      'qvac_http_requests_total{route="/v1/chat/completions",status="499"} 1',
    );
  while (!(await counted()));
});

test('sends a comment while the prompt is slow, then the answer', async (context) => {
  const gate = createGate(0);
  const { url } = await startGateway(context, {
    providers: [{ script: { beforeStep: gate.beforeStep } }],
    gateway: { keepAliveMs: 50 },
  });
  const response = await post(url, { stream: true });
  assert.equal(response.status, 200);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await reader?.read())?.value, ': waiting\n\n');
  gate.open();
  let text = '';
  for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read())
    text += part.value;
  assert.match(text, /data: \[DONE\]\n\n$/);
});

test('tells the progress of a long prompt in a comment, and to Ollama in an empty piece', async (context) => {
  for (const [path, told] of [
    ['/v1/chat/completions', /^: prompt 256\/\d+\n\n/],
    ['/v1/messages', /^: prompt 256\/\d+\n\n/],
    [
      '/api/chat',
      /^\{.*"message":\{.*"content":"".*"done":false,"prompt_progress":\{"processed":256,"total":\d+\}\}\n/,
    ],
  ] as const) {
    const gate = createGate(0);
    const { url } = await startGateway(context, { providers: [{ script: { beforeStep: gate.beforeStep } }] });
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        stream: true,
        messages: [{ role: 'user', content: 'x'.repeat(300) }],
        ...(path === '/api/chat' ? { options: { num_predict: 4 } } : { max_tokens: 4 }),
      }),
    });
    assert.equal(response.status, 200);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    assert.match((await reader?.read())?.value ?? '', told);
    gate.open();
    let rest = '';
    for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read())
      rest += part.value;
    assert.match(rest, path === '/api/chat' ? /"done":true/ : /DONE|message_stop/);
  }
});

test('sends an error after the first event as an event', async (context) => {
  const { url } = await startGateway(context, { inference: breakingClient });
  const broken = await (await post(url, { stream: true })).text();
  assert.match(broken, /"content":"some"/);
  const code = 'E_TRUNCATED';
  const error = { message: 'the provider disconnected', type: 'api_error', param: null, code, qvac_code: code };
  assert.ok(broken.endsWith(`data: ${JSON.stringify({ error })}\n\n`));
  assert.ok(!broken.includes('[DONE]'));
  const whole = await post(url, {});
  assert.equal(whole.status, 502);
});

/** Delivers a word, then waits for `verdict`. */
const verifying = (verdict: Promise<CheckedAnswer['verified']>): InferenceClient => ({
  ...noModels,
  async complete(_request, observer) {
    observer.accepted(
      { provider: '12D3KooWx' as never, router: null, model: { id: '00' as never, name: 'm', quant: 'q' } },
      3,
    );
    await observer.text('some');
    observer.delivered({ finish: 'stop', promptTokens: 3, tokens: 2, cost: 0n, receipt: 'ab'.repeat(32) as never });
    return { verified: await verdict, faults: [], referees: null, steps: null };
  },
});

test('an answer ends with its last token; its verdict follows under /receipts', async (context) => {
  const verdict = Promise.withResolvers<CheckedAnswer['verified']>();
  const { url, fetchAsPage } = await startGateway(context, { inference: verifying(verdict.promise) });
  for (const stream of [false, true]) {
    const response = await post(url, { stream });
    assert.deepEqual([response.status, response.headers.get('x-qvac-verified')], [200, 'pending']);
    const text = await response.text();
    if (stream)
      assert.match(text, /"x-qvac-verified":"pending","x-qvac-cost-lamports":"0","x-qvac-receipt":"(ab){32}"/);
    const waiting = await fetch(`${url}/receipts/${'ab'.repeat(32)}`);
    assert.deepEqual(
      [waiting.status, waiting.headers.get('x-qvac-verified'), waiting.headers.get('retry-after')],
      [202, 'pending', '1'],
    );
    assert.deepEqual(await waiting.json(), { verified: 'pending' });
    assert.equal((await fetchAsPage(`/qvac/receipts/${'ab'.repeat(32)}`)).status, 202);
  }
  verdict.resolve('sampling');
  assert.equal((await fetchReceipt(url, 'ab'.repeat(32))).status, 404);
});

test('with waitVerdict an answer carries its verdict, or is pending if verification takes too long', async (context) => {
  const verdict = Promise.withResolvers<CheckedAnswer['verified']>();
  const { url } = await startGateway(context, {
    inference: verifying(verdict.promise),
    gateway: { waitVerdict: true, verdictMs: 30 },
  });
  assert.equal((await post(url, {})).headers.get('x-qvac-verified'), 'pending');
  verdict.resolve('exact');
  const failing = await startGateway(context, {
    inference: verifying(Promise.resolve('failed')),
    gateway: { waitVerdict: true },
  });
  assert.equal((await post(failing.url, {})).headers.get('x-qvac-verified'), 'failed');
});

test('stopping the gateway waits for verifications in progress', async (context) => {
  const verdict = Promise.withResolvers<CheckedAnswer['verified']>();
  const { gateway, url } = await startGateway(context, {
    inference: verifying(verdict.promise),
    gateway: { verificationMs: 60_000 },
  });
  await (await post(url, {})).text();
  let stopped = false;
  const stopping = gateway.stop().then(() => (stopped = true));
  while (await fetch(`${url}/health`).catch(() => null)) await setImmediate();
  assert.equal(stopped, false);
  verdict.resolve('exact');
  await stopping;
});

test('a damaged model fails verification, and the metrics count it', async (context) => {
  const { url, providers } = await startGateway(context, {
    providers: [{ script: { damage: 3 } }],
    here: [createScriptedEngine()],
  });
  const answer = await post(url, { max_tokens: 64 });
  const receipt = await fetchReceipt(url, answer.headers.get('x-qvac-receipt'));
  assert.equal(receipt.headers.get('x-qvac-verified'), 'failed');
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /qvac_jobs_total\{outcome="delivered"\} 1/);
  assert.match(metrics, /qvac_verifications_total\{result="failed"\} 1/);
  assert.match(metrics, /qvac_faults_total\{fault="exact-mismatch"\} 1/);
  assert.match(metrics, /qvac_tokens_total\{kind="answer"\} 64/);
  assert.match(metrics, /qvac_first_token_seconds_count 1/);
  assert.match(metrics, /qvac_peers\{role="provider"\} 1/);
  assert.ok(!metrics.includes(providers[0]?.peer.id ?? 'x'));
});

test('reports on /health why it is not ready, and when it is', async (context) => {
  const alone = await startGateway(context, { providers: [] });
  const unready = await fetch(`${alone.url}/health`);
  assert.equal(unready.status, 503);
  assert.match(((await unready.json()) as { reason: string }).reason, /no provider/);
  const { url } = await startGateway(context);
  assert.equal((await fetch(`${url}/health`)).status, 200);
});

test('uses the person’s own router and names it', async (context) => {
  const { url, providers } = await startGateway(context, { providers: [{}] });
  assert.equal((await post(url, {})).headers.get('x-qvac-router'), null);
  const router = await startRouter(context, {
    providers: providers.map(({ address }) => ({ address })),
    engines: [createScriptedEngine()],
  });
  const routed = await startGateway(context, { providers: [], router: router.address });
  const answer = await post(routed.url, { model: 'scripted' });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('x-qvac-router'), router.peer.id);
  assert.equal(answer.headers.get('x-qvac-provider'), providers[0]?.peer.id);
  const receipt = await fetchReceipt(routed.url, answer.headers.get('x-qvac-receipt'));
  assert.equal(receipt.headers.get('x-qvac-verified'), 'exact');
});

test('names a port in use and the command to choose another', async (context) => {
  const { gateway } = await startGateway(context);
  const second = createGateway(
    {
      inference: null as never,
      market: { live: () => [] },
      experience: null as never,
      receipts: null as never,
      wallets: null,
      assets: { get: () => null },
      clock: { now: () => 0 },
      logger: silentLogger,
    },
    { port: gateway.port, token: 'x', defaults: null as never, version: '0', network: 'test' },
  );
  await assert.rejects(
    second.start(),
    (error: unknown) =>
      error instanceof QvacError &&
      error.code === 'E_PORT_IN_USE' &&
      new RegExp(`--http 127.0.0.1:${gateway.port + 1}`).test(error.hint ?? ''),
  );
});

test('a client that does not read stalls its own answer; the gateway buffers little for it', async (context) => {
  const piece = 'x'.repeat(64 * 1024);
  const stalled = Promise.withResolvers<number>();
  let stopped = false;
  const { gateway, url } = await startGateway(context, {
    inference: {
      ...noModels,
      async complete(_question, hooks, { stop }) {
        hooks.accepted(
          { provider: '12D3KooWx' as never, router: null, model: { id: '00' as never, name: 'm', quant: 'q' } },
          3,
        );
        for (let sent = 0; sent < 4_096 && !stop.aborted; sent++) {
          let taken = false;
          const taking = Promise.resolve(hooks.text(piece)).then(() => (taken = true));
          for (let turns = 0; turns < 2_000 && !taken; turns++) await setImmediate();
          if (!taken) stalled.resolve(sent * piece.length);
          await taking;
        }
        stopped = stop.aborted;
        stalled.resolve(Infinity);
        throw new QvacError('E_INTERRUPTED', 'stopped');
      },
    },
  });
  const slow = request({
    host: '127.0.0.1',
    port: gateway.port,
    path: '/v1/chat/completions',
    method: 'POST',
    headers: { host: '127.0.0.1' },
  });
  slow.end(JSON.stringify({ ...question, stream: true }));
  const [response] = (await once(slow, 'response')) as [IncomingMessage];
  response.pause();
  const sent = await stalled.promise;
  assert.ok(sent < 32 * 1024 * 1024, `${sent} bytes were taken from the provider`);
  assert.equal((await fetch(`${url}/v1/models`)).status, 200);
  response.on('error', () => undefined);
  slow.on('error', () => undefined).destroy();
  // The request no longer counts as in progress.
  for (let turns = 0; !stopped; turns++) {
    assert.ok(turns < 1_000_000);
    await setImmediate();
  }
});

/** Resolves once so many requests are in progress. */
async function untilActive(url: string, count: number): Promise<void> {
  const deadline = AbortSignal.timeout(30_000);
  for (;;) {
    const metrics = await (await fetch(`${url}/metrics`, { signal: deadline })).text();
    const active = [...metrics.matchAll(/^qvac_questions_active\{.*\} (\d+)$/gm)];
    if (active.reduce((sum, [, value]) => sum + Number(value), 0) === count) return;
    await setTimeout(20, undefined, { signal: deadline });
  }
}

test('stopping the gateway ends answers in progress and pays for them', async (context) => {
  const gate = createGate(5);
  const { gateway, url, providers, receipts } = await startGateway(context, {
    providers: [{ script: { beforeStep: gate.beforeStep } }],
    gateway: { farewellMs: 60_000 },
  });
  const streamed = await post(url, { stream: true });
  const waiting = post(url, {});
  const reader = streamed.body?.pipeThrough(new TextDecoderStream()).getReader();
  await reader?.read();
  await gate.reached;
  await untilActive(url, 2);
  const stopped = gateway.stop();
  gate.open();
  let text = '';
  for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read())
    text += part.value;
  assert.match(text, /"x-qvac-receipt":"[0-9a-f]{64}"|E_TERMINATED|E_INTERRUPTED/);
  const { status } = await waiting;
  assert.ok(status === 200 || status === 503, `${status}`);
  await stopped;
  assert.equal((await providers[0]?.events.until('job-finished'))?.finish, 2);
  assert.ok((await receipts.list()).length >= 1);
  await assert.rejects(fetch(`${url}/health`));
});
