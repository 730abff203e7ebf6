import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { createDictatedEngine } from '../support/dictated-engine.ts';
import { createGate } from '../support/gate.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { statusesIn } from '../support/http.ts';

const messages = [{ role: 'user', content: 'why?' }];

/** Sends a request and ends this side of the connection at once; the other side stays open. */
async function sendAndEnd(
  context: TestContext,
  { gateway }: TestGateway,
  path: string,
  body: object | null,
): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: gateway.port, allowHalfOpen: true });
  context.after(() => socket.destroy());
  await once(socket, 'connect');
  const text = body === null ? '' : JSON.stringify(body);
  const method = body === null ? 'GET' : 'POST';
  const head = `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${text.length}\r\n\r\n`;
  socket.setEncoding('utf8').end(head + text);
  return socket;
}

const cases = [
  { path: '/v1/chat/completions', body: { messages, stream: false }, last: '"finish_reason":"stop"' },
  { path: '/v1/chat/completions', body: { messages, stream: true }, last: 'data: [DONE]' },
  { path: '/v1/messages', body: { messages, max_tokens: 40, stream: true }, last: 'event: message_stop' },
  { path: '/api/chat', body: { messages, stream: false }, last: '"done":true' },
  { path: '/api/chat', body: { messages, stream: true, options: { num_predict: 1_500 } }, last: '"done":true' },
] as const;

for (const { path, body, last } of cases) {
  test(`a half-closed client gets its answer: ${path}, ${body.stream ? 'streamed' : 'whole'}`, async (context) => {
    const gate = createGate(2);
    const started = await startGateway(context, {
      providers: [{ engine: createDictatedEngine('It scatters.', { beforeStep: gate.beforeStep }) }],
    });
    const socket = await sendAndEnd(context, started, path, body);
    // The gateway has seen the end of the request while the answer is in progress.
    await gate.reached;
    gate.open();
    const text = (await socket.toArray()).join('');
    assert.equal(
      statusesIn(text).findLast((status) => status !== '100'),
      '200',
      text,
    );
    assert.ok(text.includes(last), text);
    const [provider] = started.providers;
    assert.equal((await provider?.events.until('job-finished'))?.finish, 0);
  });
}

test('a half-closed client gets other responses, too', async (context) => {
  const started = await startGateway(context);
  const models = await sendAndEnd(context, started, '/v1/models', null);
  assert.deepEqual(statusesIn((await models.toArray()).join('')), ['200']);
  const refused = await sendAndEnd(context, started, '/v1/chat/completions', { messages, modalities: ['audio'] });
  const text = (await refused.toArray()).join('');
  assert.equal(statusesIn(text).at(-1), '400');
});

test('a client that closes both sides cancels its answer, whatever it waits for', async (context) => {
  for (const { path, body } of cases) {
    const gate = createGate(2);
    const started = await startGateway(context, { providers: [{ script: { beforeStep: gate.beforeStep } }] });
    const socket = await sendAndEnd(context, started, path, body);
    await gate.reached;
    socket.destroy();
    // A line of JSON cannot carry a comment, so an Ollama stream notices with its next token.
    if (path === '/api/chat' && body.stream) gate.open();
    const finished = await started.providers[0]?.events.until('job-finished');
    gate.open();
    assert.equal(finished?.finish, 2, `${path} ${body.stream}`);
  }
});
