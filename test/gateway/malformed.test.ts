import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startGateway } from '../support/gateway.ts';
import { send, sendRaw, statusesIn } from '../support/http.ts';

const question = JSON.stringify({
  model: 'scripted/q8_0',
  messages: [{ role: 'user', content: 'why?' }],
  max_tokens: 2,
});

test('refuses an ambiguous request and reads nothing after it', async (context) => {
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

test('answers pipelined requests in order and never parses the rest of a refused one as the next', async (context) => {
  const started = await startGateway(context);
  const host = 'host: 127.0.0.1\r\n';
  const both = await sendRaw(
    context,
    started,
    `POST /v1/chat/completions HTTP/1.1\r\n${host}content-length: ${question.length}\r\n\r\n${question}` +
      `GET /api/version HTTP/1.1\r\n${host}connection: close\r\n\r\n`,
  );
  assert.deepEqual(statusesIn(both), ['200', '200']);
  assert.ok(both.indexOf('chat.completion') < both.indexOf('"version"'));
  const hidden = `GET /metrics HTTP/1.1\r\n${host}\r\n`;
  assert.deepEqual(
    statusesIn(
      await sendRaw(
        context,
        started,
        `POST /v1/nothing HTTP/1.1\r\n${host}content-length: ${hidden.length}\r\n\r\n${hidden}`,
      ),
    ),
    ['404'],
  );
});

test('never upgrades or tunnels a connection', async (context) => {
  const started = await startGateway(context);
  const host = 'host: 127.0.0.1\r\nconnection: Upgrade, close\r\n';
  const upgrade = (path: string, more: string): string => `GET ${path} HTTP/1.1\r\n${host}${more}\r\n\r\n`;
  for (const path of ['/', '/v1/chat/completions', '/qvac/state']) {
    for (const more of [
      'upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
      'upgrade: h2c\r\nhttp2-settings: AAMAAABk',
    ]) {
      const [status] = statusesIn(await sendRaw(context, started, upgrade(path, more)));
      assert.ok(status !== undefined && status !== '101', `${path}: ${status}`);
    }
  }
  assert.equal(
    await sendRaw(context, started, 'CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n\r\n'),
    '',
  );
});

test('refuses compressed bodies by name', async (context) => {
  const started = await startGateway(context);
  for (const encoding of ['gzip', 'br', 'GZIP, gzip']) {
    const { status, text } = await send(started, '/v1/chat/completions', { 'content-encoding': encoding }, question);
    assert.equal(status, 415);
    assert.match(text, /content-encoding/);
  }
  assert.equal((await send(started, '/v1/chat/completions', { 'content-encoding': 'identity' }, question)).status, 200);
});

test('treats __proto__ and constructor as ordinary unknown fields', async (context) => {
  const started = await startGateway(context);
  const message = '{"role":"user","content":"x"}';
  for (const [path, body, named] of [
    ['/v1/chat/completions', `{"messages":[${message}],"__proto__":{"stream":true}}`, '__proto__'],
    ['/v1/chat/completions', `{"messages":[${message}],"constructor":{"prototype":{"stream":true}}}`, 'constructor'],
    [
      '/v1/chat/completions',
      `{"messages":[{"role":"user","content":"x","__proto__":{"tool_calls":[1]}}]}`,
      'messages[0].__proto__',
    ],
    ['/v1/chat/completions', `{"__proto__":{"messages":[${message}]}}`, 'messages'],
    [
      '/v1/messages',
      `{"max_tokens":2,"messages":[{"role":"user","content":[{"type":"text","text":"x","__proto__":{"a":1}}]}]}`,
      'messages[0].content[0].__proto__',
    ],
    ['/v1/responses', `{"input":"x","hasOwnProperty":1}`, 'hasOwnProperty'],
    ['/api/chat', `{"messages":[${message}],"options":{"__proto__":{"num_predict":1}}}`, 'options.__proto__'],
    ['/v1/chat/completions', `{"messages":[${message}],"qvac":{"__proto__":{"max_price":1}}}`, 'qvac.__proto__'],
  ] as const) {
    const { status, text } = await send(started, path, {}, body);
    assert.equal(status, 400, body);
    assert.ok(text.includes(named), `${body}: ${text}`);
  }
  assert.equal(({} as Record<string, unknown>).stream, undefined);
});

test('answers deeply nested values with one clear line', async (context) => {
  const started = await startGateway(context);
  const message = '"messages":[{"role":"user","content":"x"}]';
  for (const depth of [500, 5_000, 100_000]) {
    const [list, object] = [
      `${'['.repeat(depth)}${']'.repeat(depth)}`,
      `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`,
    ];
    for (const value of [list, object]) {
      for (const body of [
        `{${message},"tools":${value}}`,
        `{${message},"a_new_field":${value}}`,
        `{"messages":${value}}`,
        `{"messages":[{"role":"user","content":${value}}]}`,
        `{"messages":[{"role":"user","content":[{"type":${value}}]}]}`,
        `{${message},"chat_template_kwargs":{"a":${value}}}`,
        `{${message},"stop":${value}}`,
      ]) {
        const { status, text } = await send(started, '/v1/chat/completions', {}, body);
        assert.equal(status, 400, body.slice(0, 80));
        assert.ok(text.length < 500, text);
      }
    }
  }
  assert.equal((await send(started, '/v1/models', {})).status, 200);
});

test('answers malformed, non-object or too deep JSON with one clear line', async (context) => {
  const started = await startGateway(context);
  for (const body of [
    '',
    'null',
    '[]',
    '{"model":',
    '"x"',
    '['.repeat(200_000),
    '{"messages":[{"role":"user","content":"\\ud800"}]}',
    '{"__proto__":{"stream":true},"messages":[{"role":"user","content":"x"}]}',
    '{"messages":[{"role":"user","content":"x"}],"seed":18446744073709551616}',
    '{"messages":[{"role":"user","content":"x"}],"seed":1e17}',
  ]) {
    const { status, text } = await send(started, '/v1/chat/completions', {}, body);
    assert.equal(status, 400, body.slice(0, 60));
    assert.ok((JSON.parse(text) as { error: { message: string } }).error.message.length > 5);
  }
});
