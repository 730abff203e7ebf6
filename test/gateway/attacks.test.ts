import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { test } from 'node:test';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { startGateway, testToken } from '../support/gateway.ts';
import { openSocket, send } from '../support/http.ts';

const question = JSON.stringify({
  model: 'scripted/q8_0',
  messages: [{ role: 'user', content: 'why?' }],
  max_tokens: 2,
});

function codeOf(text: string): string {
  const { error } = JSON.parse(text) as { error: { code: string } };
  return error.code;
}

test('refuses a foreign Host on every path (DNS rebinding)', async (context) => {
  const started = await startGateway(context);
  for (const path of ['/', '/v1/models', '/qvac/receipts', '/health', '/assets/page.js']) {
    const { status, text } = await send(started, path, { host: 'rebound.example' });
    assert.equal(status, 403, path);
    assert.equal(codeOf(text), 'E_HOST');
  }
});

test('refuses a foreign Origin, with the token and in a preflight too', async (context) => {
  const started = await startGateway(context);
  // A sandboxed frame sends the origin null; a list of origins is foreign, even with ours in it.
  for (const origin of [
    'https://evil.example',
    'null',
    `${started.url}.evil.example`,
    `${started.url}, https://evil.example`,
  ]) {
    const foreign = { origin, 'content-type': 'application/json', authorization: `Bearer ${testToken}` };
    assert.equal(codeOf((await send(started, '/v1/chat/completions', foreign, question)).text), 'E_ORIGIN', origin);
  }
  const asked = await send(
    started,
    '/v1/chat/completions',
    { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    null,
    'OPTIONS',
  );
  assert.equal(asked.status, 403);
  assert.equal(asked.headers['access-control-allow-origin'], undefined);
  assert.equal(started.providers[0]?.receipts.size, 0);
});

test('refuses a page that tries to spend without the token or with a wrong one', async (context) => {
  const started = await startGateway(context);
  const own = { origin: started.url, 'content-type': 'application/json' };
  for (const headers of [own, { ...own, authorization: 'Bearer guess' }, { ...own, 'x-api-key': '' }]) {
    for (const path of ['/v1/chat/completions', '/v1/messages', '/api/chat']) {
      const { status } = await send(started, path, headers, question);
      assert.equal(status, 401);
    }
  }
  for (const path of ['/qvac/receipts', '/qvac/peers', '/qvac/state', `/receipts/${'0'.repeat(64)}`])
    assert.equal((await send(started, path, { origin: started.url })).status, 401, path);
  // Requests that a form or an image of another site can send without a preflight.
  assert.equal(
    (
      await send(
        started,
        '/v1/chat/completions',
        { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'content-type': 'text/plain' },
        question,
      )
    ).status,
    403,
  );
  assert.equal(started.providers[0]?.receipts.size, 0);
  const allowed = await send(
    started,
    '/v1/chat/completions',
    { ...own, authorization: `Bearer ${testToken}` },
    question,
  );
  assert.equal(allowed.status, 200);
});

test('allows a named origin, only with the token', async (context) => {
  const started = await startGateway(context, { gateway: { origins: ['https://chat.example'] } });
  const origin = { origin: 'https://chat.example' };
  const asked = await send(
    started,
    '/v1/chat/completions',
    {
      ...origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, content-type',
    },
    null,
    'OPTIONS',
  );
  assert.equal(asked.status, 204);
  assert.equal(asked.headers['access-control-allow-origin'], 'https://chat.example');
  assert.equal(
    (await send(started, '/v1/chat/completions', { ...origin, 'content-type': 'application/json' }, question)).status,
    401,
  );
  const answered = await send(
    started,
    '/v1/chat/completions',
    { ...origin, 'content-type': 'application/json', authorization: `Bearer ${testToken}` },
    question,
  );
  assert.equal(answered.status, 200);
  assert.match(String(answered.headers['access-control-expose-headers']), /x-qvac-receipt/);
});

test('refuses a body of 10 MB without buffering it, with or without a content-length', async (context) => {
  const started = await startGateway(context);
  const announced = await send(
    started,
    '/v1/chat/completions',
    { 'content-length': String(10 * 1024 * 1024) },
    ' '.repeat(64 * 1024),
  );
  assert.equal(announced.status, 413);
  const { status } = await new Promise<{ status: number }>((resolve, reject) => {
    const sent = request({
      host: '127.0.0.1',
      port: started.gateway.port,
      path: '/v1/chat/completions',
      method: 'POST',
      headers: { host: '127.0.0.1' },
    });
    sent.on('response', (response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0 });
    });
    sent.on('error', reject);
    const piece = 'x'.repeat(64 * 1024);
    let left = 160;
    const more = (): void => {
      while (left > 0 && !sent.destroyed) {
        left -= 1;
        if (!sent.write(piece)) {
          sent.once('drain', more);
          return;
        }
      }
      sent.end();
    };
    more();
  });
  assert.equal(status, 413);
  assert.equal((await send(started, '/v1/models', {})).status, 200);
});

test('still answers under 1,000 connections', async (context) => {
  const started = await startGateway(context, { gateway: { limits: { connections: { maxConnections: 64 } } } });
  const sockets = await Promise.all(Array.from({ length: 1_000 }, () => openSocket(context, started)));
  const held = (): number => sockets.filter((socket) => !socket.destroyed && !socket.closed).length;
  await Promise.all(
    sockets
      .filter((socket) => !socket.destroyed)
      .slice(64)
      .map((socket) => (socket.resume(), socket.closed ? null : once(socket, 'close')))
      .slice(0, 900),
  );
  assert.ok(held() <= 100, `${held()} held`);
  for (const socket of sockets) socket.destroy();
  // Closed connections free their places.
  for (let tries = 0; ; tries++) {
    const status = await send(started, '/v1/models', {}).then(
      (answered) => answered.status,
      () => null,
    );
    if (status === 200) break;
    assert.ok(tries < 1_000);
  }
});

test('ends slow headers, slow bodies and silent connections', async (context) => {
  const started = await startGateway(context, {
    gateway: { limits: { connections: { headersMs: 300, requestMs: 600 } } },
  });
  const silent = await openSocket(context, started);
  const slowHeaders = await openSocket(context, started);
  slowHeaders.write('POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nx-one: ');
  const slowBody = await openSocket(context, started);
  slowBody.write('POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n{"model":');
  await Promise.all([silent, slowHeaders, slowBody].map((socket) => (socket.resume(), once(socket, 'close'))));
  assert.equal((await send(started, '/v1/models', {})).status, 200);
});

test('text in an answer cannot end an event, start another or become a header', async (context) => {
  const hostile =
    'x\n\ndata: [DONE]\n\nevent: error\ndata: {"error":{}}\r\n\r\nHTTP/1.1 200 OK\r\n' +
    'set-cookie: a=b\u2028\u0000\u001b[2J';
  const started = await startGateway(context, { providers: [{ engine: createDictatedEngine(hostile) }] });
  for (const [path, body] of [
    ['/v1/chat/completions', { messages: [{ role: 'user', content: 'x' }], stream: true }],
    ['/v1/messages', { messages: [{ role: 'user', content: 'x' }], stream: true, max_tokens: 400 }],
    ['/v1/responses', { input: 'x', stream: true }],
    ['/api/chat', { messages: [{ role: 'user', content: 'x' }] }],
  ] as const) {
    const { headers, text } = await send(
      started,
      path,
      {},
      JSON.stringify({ max_tokens: undefined, ...body, model: 'scripted' }),
    );
    assert.equal(headers['set-cookie'], undefined);
    const lines = text.split(/\r\n|\r|\n/).filter((line) => line !== '');
    for (const line of lines) {
      if (path === '/api/chat') assert.doesNotThrow(() => JSON.parse(line) as unknown, line);
      else assert.match(line, /^(event: [a-z_.]+|data: \{.*\}|data: \[DONE\]|: waiting|: prompt \d+\/\d+)$/);
    }
    assert.ok(lines.filter((line) => line === 'data: [DONE]').length <= 1);
    assert.ok(!lines.includes('event: error'));
  }
});

test('misleading names on a card stay text', async (context) => {
  const name = 'x\r\nset-cookie: a=b\r\n\r\n<script>alert(1)</script>"}\u2028\ndata: [DONE]\u001b[2J/../..';
  const started = await startGateway(context, { providers: [{ script: { name, quant: '"\nqvac_jobs_total 1e9' } }] });
  const [listed] = (JSON.parse((await send(started, '/v1/models', {})).text) as { data: { id: string }[] }).data;
  assert.ok(listed !== undefined && listed.id.startsWith(name));
  const { id } = listed;
  const found = await send(started, `/v1/models/${encodeURIComponent(id)}`, {});
  assert.equal((JSON.parse(found.text) as { id: string }).id, id);
  const { headers, text } = await send(
    started,
    '/v1/chat/completions',
    {},
    JSON.stringify({ messages: [{ role: 'user', content: 'x' }], model: id, stream: true, max_tokens: 2 }),
  );
  assert.equal(headers['set-cookie'], undefined);
  for (const line of text.split(/\r\n|[\r\n\u0085\u2028\u2029]/).filter((each) => each !== ''))
    assert.match(line, /^data: (\{.*\}|\[DONE\])$/);
  assert.equal(text.split('\n').filter((line) => line === 'data: [DONE]').length, 1);
  const shown = await send(started, '/api/show', {}, JSON.stringify({ model: id }));
  assert.equal(shown.status, 200);
  assert.doesNotMatch((await send(started, '/metrics', {})).text, /^qvac_jobs_total 1e9/m);
});

test('the guard and the router read the same path, however it is encoded', async (context) => {
  const started = await startGateway(context);
  const ways = [
    '/%71vac/receipts',
    '/%2571vac/receipts',
    '/assets/../qvac/receipts',
    '/assets/%2e%2e/qvac/receipts',
    '/assets/..%2fqvac/receipts',
    '//qvac/receipts',
    '/./qvac/receipts',
    '/QVAC/receipts',
    '/qvac/receipts/',
    '/qvac%2freceipts',
    '/qvac/receipts%00',
    '/v1/models/../../qvac/receipts',
    '/health/../qvac/receipts',
    '/assets\\..\\qvac/receipts',
    '/%E0%A4%A/../qvac/receipts',
  ];
  for (const path of ways) {
    const { status, text } = await send(started, path, {});
    assert.ok(status === 401 || status === 404 || status === 400, `${path}: ${status}`);
    assert.ok(!text.includes('"receipts"'), path);
  }
  assert.equal((await send(started, '/qvac/receipts', { authorization: `Bearer ${testToken}` })).status, 200);
});

test('finds no file through paths with ..', async (context) => {
  const started = await startGateway(context);
  const climbing = [
    '/assets/../../package.json',
    '/assets/..%2f..%2fpackage.json',
    '/assets/%2e%2e/%2e%2e/package.json',
    '/assets/..\\..\\package.json',
    '/assets//etc/passwd',
    '/receipts/..%2f..%2fkeys%2fclient.key',
    '/receipts/../keys/client.key',
    '/receipts/%00',
    '/qvac/receipts/..%2fx',
    `/receipts/${'0'.repeat(63)}`,
  ];
  for (const path of climbing) {
    const { status, text } = await send(started, path, { authorization: `Bearer ${testToken}` });
    assert.ok(status === 404 || status === 400, path);
    assert.ok(text.length < 300, text);
  }
});
