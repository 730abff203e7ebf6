import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { startGateway, testToken, type TestGateway } from '../support/gateway.ts';

const question = JSON.stringify({ model: 'scripted/q8_0', messages: [{ role: 'user', content: 'why?' }], max_tokens: 2 });

/** A request with exactly these headers: `fetch` sets some of its own. */
async function send({ gateway }: TestGateway, path: string, headers: Readonly<Record<string, string>>, body: string | null = null, method = body === null ? 'GET' : 'POST'): Promise<{ readonly status: number; readonly headers: IncomingMessage['headers']; readonly text: string }> {
  const sent = request({ host: '127.0.0.1', port: gateway.port, path, method, headers: { host: `127.0.0.1:${gateway.port}`, ...headers } });
  sent.end(body ?? undefined);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const parts = await response.setEncoding('utf8').toArray();
  return { status: response.statusCode ?? 0, headers: response.headers, text: parts.join('') };
}

function codeOf(text: string): string {
  const { error } = JSON.parse(text) as { error: { code: string } };
  return error.code;
}

test('a foreign Host is refused on every path (DNS rebinding)', async (context) => {
  const started = await startGateway(context);
  for (const path of ['/', '/v1/models', '/qvac/receipts', '/health', '/assets/page.js']) {
    const { status, text } = await send(started, path, { host: 'rebound.example' });
    assert.equal(status, 403, path);
    assert.equal(codeOf(text), 'E_HOST');
  }
});

test('a foreign Origin is refused, also with the token, also when it asks first', async (context) => {
  const started = await startGateway(context);
  const foreign = { origin: 'https://evil.example', 'content-type': 'application/json', authorization: `Bearer ${testToken}` };
  assert.equal(codeOf((await send(started, '/v1/chat/completions', foreign, question)).text), 'E_ORIGIN');
  const asked = await send(started, '/v1/chat/completions', { origin: 'https://evil.example', 'access-control-request-method': 'POST' }, null, 'OPTIONS');
  assert.equal(asked.status, 403);
  assert.equal(asked.headers['access-control-allow-origin'], undefined);
  assert.equal(started.providers[0]?.receipts.size, 0);
});

test('a page that tries to spend without the token, or with a wrong one, is refused', async (context) => {
  const started = await startGateway(context);
  const own = { origin: started.url, 'content-type': 'application/json' };
  for (const headers of [own, { ...own, authorization: 'Bearer guess' }, { ...own, 'x-api-key': '' }]) {
    for (const path of ['/v1/chat/completions', '/v1/messages', '/api/chat']) {
      const { status } = await send(started, path, headers, question);
      assert.equal(status, 401);
    }
  }
  for (const path of ['/qvac/receipts', '/qvac/peers', '/qvac/state', `/receipts/${'0'.repeat(64)}`]) assert.equal((await send(started, path, { origin: started.url })).status, 401, path);
  // What a form or an image of another site can send without being asked.
  assert.equal((await send(started, '/v1/chat/completions', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'content-type': 'text/plain' }, question)).status, 403);
  assert.equal(started.providers[0]?.receipts.size, 0);
  const allowed = await send(started, '/v1/chat/completions', { ...own, authorization: `Bearer ${testToken}` }, question);
  assert.equal(allowed.status, 200);
});

test('an allowed origin is told so, with the token only', async (context) => {
  const started = await startGateway(context, { gateway: { origins: ['https://chat.example'] } });
  const origin = { origin: 'https://chat.example' };
  const asked = await send(started, '/v1/chat/completions', { ...origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization, content-type' }, null, 'OPTIONS');
  assert.equal(asked.status, 204);
  assert.equal(asked.headers['access-control-allow-origin'], 'https://chat.example');
  assert.equal((await send(started, '/v1/chat/completions', { ...origin, 'content-type': 'application/json' }, question)).status, 401);
  const answered = await send(started, '/v1/chat/completions', { ...origin, 'content-type': 'application/json', authorization: `Bearer ${testToken}` }, question);
  assert.equal(answered.status, 200);
  assert.match(String(answered.headers['access-control-expose-headers']), /x-qvac-receipt/);
});

test('a body of 10 MB is refused without being kept, announced or not', async (context) => {
  const started = await startGateway(context);
  const announced = await send(started, '/v1/chat/completions', { 'content-length': String(10 * 1024 * 1024) }, ' '.repeat(64 * 1024));
  assert.equal(announced.status, 413);
  const { status } = await new Promise<{ status: number }>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: started.gateway.port, path: '/v1/chat/completions', method: 'POST', headers: { host: '127.0.0.1' } });
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

async function openSocket(context: TestContext, { gateway }: TestGateway): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: gateway.port });
  socket.on('error', () => undefined);
  context.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

test('of 1,000 connections it holds some and still answers', async (context) => {
  const started = await startGateway(context, { gateway: { limits: { connections: { most: 64 } } } });
  const sockets = await Promise.all(Array.from({ length: 1_000 }, () => openSocket(context, started)));
  const held = (): number => sockets.filter((socket) => !socket.destroyed && !socket.closed).length;
  await Promise.all(sockets.filter((socket) => !socket.destroyed).slice(64).map((socket) => (socket.resume(), socket.closed ? null : once(socket, 'close'))).slice(0, 900));
  assert.ok(held() <= 100, `${held()} held`);
  for (const socket of sockets) socket.destroy();
  // The places of those that left are free again.
  for (let tries = 0; ; tries++) {
    const status = await send(started, '/v1/models', {}).then((answered) => answered.status, () => null);
    if (status === 200) break;
    assert.ok(tries < 1_000);
  }
});

test('slow headers, slow bodies and connections that say nothing are ended', async (context) => {
  const started = await startGateway(context, { gateway: { limits: { connections: { headersMs: 300, requestMs: 600 } } } });
  const silent = await openSocket(context, started);
  const slowHeaders = await openSocket(context, started);
  slowHeaders.write('POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nx-one: ');
  const slowBody = await openSocket(context, started);
  slowBody.write('POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1000\r\n\r\n{"model":');
  await Promise.all([silent, slowHeaders, slowBody].map((socket) => (socket.resume(), once(socket, 'close'))));
  assert.equal((await send(started, '/v1/models', {})).status, 200);
});

test('an answer cannot end an event, begin another or become a header', async (context) => {
  const hostile = 'x\n\ndata: [DONE]\n\nevent: error\ndata: {"error":{}}\r\n\r\nHTTP/1.1 200 OK\r\nset-cookie: a=b\u2028\u0000\u001b[2J';
  const started = await startGateway(context, { providers: [{ engine: createDictatedEngine(hostile) }] });
  for (const [path, body] of [
    ['/v1/chat/completions', { messages: [{ role: 'user', content: 'x' }], stream: true }],
    ['/v1/messages', { messages: [{ role: 'user', content: 'x' }], stream: true, max_tokens: 400 }],
    ['/v1/responses', { input: 'x', stream: true }],
    ['/api/chat', { messages: [{ role: 'user', content: 'x' }] }],
  ] as const) {
    const { headers, text } = await send(started, path, {}, JSON.stringify({ max_tokens: undefined, ...body, model: 'scripted' }));
    assert.equal(headers['set-cookie'], undefined);
    const lines = text.split(/\r\n|\r|\n/).filter((line) => line !== '');
    for (const line of lines) {
      if (path === '/api/chat') assert.doesNotThrow(() => JSON.parse(line) as unknown, line);
      else assert.match(line, /^(event: [a-z_.]+|data: \{.*\}|data: \[DONE\]|: waiting)$/);
    }
    assert.ok(lines.filter((line) => line === 'data: [DONE]').length <= 1);
    assert.ok(!lines.includes('event: error'));
  }
});

/** What comes back for these very bytes, until the other side ends. */
async function sendRaw(context: TestContext, started: TestGateway, text: string): Promise<string> {
  const socket = await openSocket(context, started);
  socket.write(text);
  return (await socket.setEncoding('utf8').toArray()).join('');
}

const statusesIn = (text: string): readonly string[] => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status ?? '');

test('a request that two readers could read differently is refused, and what follows it is not read', async (context) => {
  const started = await startGateway(context);
  const host = 'host: 127.0.0.1\r\nconnection: close\r\n';
  const second = `GET /metrics HTTP/1.1\r\n${host}\r\n`;
  const posted = `POST /v1/chat/completions HTTP/1.1\r\n${host}`;
  for (const [name, text] of Object.entries({
    'two lengths': `${posted}content-length: 5\r\ncontent-length: ${question.length}\r\n\r\n${question}${second}`,
    'a length and chunks': `${posted}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${second}`,
    'chunks that are not the last coding': `${posted}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${second}`,
    'a space before the colon': `${posted}transfer-encoding : chunked\r\n\r\n0\r\n\r\n${second}`,
    'a folded header': `${posted}x: a\r\n content-length: 5\r\n\r\n${second}`,
    'a chunk that is none': `${posted}transfer-encoding: chunked\r\n\r\nZZ\r\n${second}`,
    'lines without a carriage return': `GET /metrics HTTP/1.1\nhost: 127.0.0.1\n\n${second}`,
    'a carriage return in a header': `GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\rx: y\r\n\r\n${second}`,
    'no host': 'GET /metrics HTTP/1.1\r\n\r\n',
    'headers without end': `GET /metrics HTTP/1.1\r\n${host}x: ${'a'.repeat(20_000)}\r\n\r\n${second}`,
    'another protocol': `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${second}`,
  })) {
    const [status, ...more] = statusesIn(await sendRaw(context, started, text));
    assert.match(status ?? '', /^4\d\d$/, name);
    assert.deepEqual(more, [], name);
  }
  for (const [name, text] of Object.entries({
    'two hosts': `GET /v1/models HTTP/1.1\r\n${host}host: evil.example\r\n\r\n`,
    'a host in the request line': `GET http://evil.example/v1/models HTTP/1.1\r\n${host}\r\n`,
  })) {
    const answer = await sendRaw(context, started, text);
    assert.match(statusesIn(answer)[0] ?? '', /^40[03]$/, name);
    assert.ok(!answer.includes('"object":"list"'), name);
  }
  assert.equal(started.providers[0]?.receipts.size, 0);
});

test('requests sent without waiting are answered in their order, and the rest of a refused one is not taken for the next', async (context) => {
  const started = await startGateway(context);
  const host = 'host: 127.0.0.1\r\n';
  const both = await sendRaw(context, started, `POST /v1/chat/completions HTTP/1.1\r\n${host}content-length: ${question.length}\r\n\r\n${question}GET /api/version HTTP/1.1\r\n${host}connection: close\r\n\r\n`);
  assert.deepEqual(statusesIn(both), ['200', '200']);
  assert.ok(both.indexOf('chat.completion') < both.indexOf('"version"'));
  const hidden = `GET /metrics HTTP/1.1\r\n${host}\r\n`;
  assert.deepEqual(statusesIn(await sendRaw(context, started, `POST /v1/nothing HTTP/1.1\r\n${host}content-length: ${hidden.length}\r\n\r\n${hidden}`)), ['404']);
});

test('no connection is turned into another protocol or a tunnel', async (context) => {
  const started = await startGateway(context);
  const host = 'host: 127.0.0.1\r\nconnection: Upgrade, close\r\n';
  const upgrade = (path: string, more: string): string => `GET ${path} HTTP/1.1\r\n${host}${more}\r\n\r\n`;
  for (const path of ['/', '/v1/chat/completions', '/qvac/state']) {
    for (const more of ['upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==', 'upgrade: h2c\r\nhttp2-settings: AAMAAABk']) {
      const [status] = statusesIn(await sendRaw(context, started, upgrade(path, more)));
      assert.ok(status !== undefined && status !== '101', `${path}: ${status}`);
    }
  }
  assert.equal(await sendRaw(context, started, 'CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n\r\n'), '');
});

test('a compressed body is refused by name, so that none unfolds here', async (context) => {
  const started = await startGateway(context);
  for (const encoding of ['gzip', 'br', 'GZIP, gzip']) {
    const { status, text } = await send(started, '/v1/chat/completions', { 'content-encoding': encoding }, question);
    assert.equal(status, 415);
    assert.match(text, /content-encoding/);
  }
  assert.equal((await send(started, '/v1/chat/completions', { 'content-encoding': 'identity' }, question)).status, 200);
});

test('fields that have a meaning to JavaScript have none here', async (context) => {
  const started = await startGateway(context);
  const message = '{"role":"user","content":"x"}';
  for (const [path, body, named] of [
    ['/v1/chat/completions', `{"messages":[${message}],"__proto__":{"stream":true}}`, '__proto__'],
    ['/v1/chat/completions', `{"messages":[${message}],"constructor":{"prototype":{"stream":true}}}`, 'constructor'],
    ['/v1/chat/completions', `{"messages":[{"role":"user","content":"x","__proto__":{"tool_calls":[1]}}]}`, 'messages[0].__proto__'],
    ['/v1/chat/completions', `{"__proto__":{"messages":[${message}]}}`, 'messages'],
    ['/v1/messages', `{"max_tokens":2,"messages":[{"role":"user","content":[{"type":"text","text":"x","__proto__":{"a":1}}]}]}`, 'messages[0].content[0].__proto__'],
    ['/v1/responses', `{"input":"x","hasOwnProperty":1}`, 'hasOwnProperty'],
    ['/api/chat', `{"messages":[${message}],"options":{"__proto__":{"num_predict":1}}}`, 'options.__proto__'],
    ['/v1/chat/completions', `{"messages":[${message}],"qvac":{"__proto__":{"max_price":1}}}`, 'qvac.__proto__'],
  ] as const) {
    const { status, text } = await send(started, path, {}, body);
    assert.equal(status, 400, body);
    assert.ok(text.includes(named), `${body}: ${text}`);
  }
  assert.equal(({} as Record<string, unknown>)['stream'], undefined);
});

test('what is nested deeply, wherever it is, gets one clear line', async (context) => {
  const started = await startGateway(context);
  const message = '"messages":[{"role":"user","content":"x"}]';
  for (const depth of [500, 5_000, 100_000]) {
    const [list, object] = [`${'['.repeat(depth)}${']'.repeat(depth)}`, `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`];
    for (const value of [list, object]) {
      for (const body of [`{${message},"tools":${value}}`, `{${message},"a_new_field":${value}}`, `{"messages":${value}}`, `{"messages":[{"role":"user","content":${value}}]}`, `{${message},"stop":${value}}`]) {
        const { status, text } = await send(started, '/v1/chat/completions', {}, body);
        assert.equal(status, 400, body.slice(0, 80));
        assert.ok(text.length < 500, text);
      }
    }
  }
  assert.equal((await send(started, '/v1/models', {})).status, 200);
});

test('names on a card that are made to be misread stay text', async (context) => {
  const name = 'x\r\nset-cookie: a=b\r\n\r\n<script>alert(1)</script>"}\u2028\ndata: [DONE]\u001b[2J/../..';
  const started = await startGateway(context, { providers: [{ script: { name, quant: '"\nqvac_jobs_total 1e9' } }] });
  const [listed] = (JSON.parse((await send(started, '/v1/models', {})).text) as { data: { id: string }[] }).data;
  assert.ok(listed !== undefined && listed.id.startsWith(name));
  const { id } = listed;
  const found = await send(started, `/v1/models/${encodeURIComponent(id)}`, {});
  assert.equal((JSON.parse(found.text) as { id: string }).id, id);
  const { headers, text } = await send(started, '/v1/chat/completions', {}, JSON.stringify({ messages: [{ role: 'user', content: 'x' }], model: id, stream: true, max_tokens: 2 }));
  assert.equal(headers['set-cookie'], undefined);
  for (const line of text.split(/\r\n|[\r\n\u0085\u2028\u2029]/).filter((each) => each !== '')) assert.match(line, /^data: (\{.*\}|\[DONE\])$/);
  assert.equal(text.split('\n').filter((line) => line === 'data: [DONE]').length, 1);
  const shown = await send(started, '/api/show', {}, JSON.stringify({ model: id }));
  assert.equal(shown.status, 200);
  assert.doesNotMatch((await send(started, '/metrics', {})).text, /^qvac_jobs_total 1e9/m);
});

test('paths that climb find nothing', async (context) => {
  const started = await startGateway(context);
  const climbing = ['/assets/../../package.json', '/assets/..%2f..%2fpackage.json', '/assets/%2e%2e/%2e%2e/package.json', '/assets/..\\..\\package.json', '/assets//etc/passwd', '/receipts/..%2f..%2fkeys%2fclient.key', '/receipts/../keys/client.key', '/receipts/%00', '/qvac/receipts/..%2fx', `/receipts/${'0'.repeat(63)}`];
  for (const path of climbing) {
    const { status, text } = await send(started, path, { authorization: `Bearer ${testToken}` });
    assert.ok(status === 404 || status === 400, path);
    assert.ok(text.length < 300, text);
  }
});

test('a request that is no JSON, no object, or breaks JSON’s depth gets one clear line', async (context) => {
  const started = await startGateway(context);
  for (const body of ['', 'null', '[]', '{"model":', '"x"', '['.repeat(200_000), '{"messages":[{"role":"user","content":"\\ud800"}]}', '{"__proto__":{"stream":true},"messages":[{"role":"user","content":"x"}]}', '{"messages":[{"role":"user","content":"x"}],"seed":18446744073709551616}', '{"messages":[{"role":"user","content":"x"}],"seed":1e3}']) {
    const { status, text } = await send(started, '/v1/chat/completions', {}, body);
    assert.equal(status, 400, body.slice(0, 60));
    assert.ok((JSON.parse(text) as { error: { message: string } }).error.message.length > 5);
  }
});
