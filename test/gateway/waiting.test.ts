import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { InferenceClient } from '../../src/gateway/answer/inference-client.ts';
import { noModels, startGateway } from '../support/gateway.ts';

const messages = [{ role: 'user', content: 'why?' }];

/** Sends a request without a timer of its own. */
function ask(port: number, body: object): Promise<readonly [IncomingMessage]> {
  const sent = request({
    host: '127.0.0.1',
    port,
    path: '/v1/chat/completions',
    method: 'POST',
    headers: { host: '127.0.0.1' },
  });
  sent.end(JSON.stringify({ messages, ...body }));
  return once(sent, 'response') as Promise<[IncomingMessage]>;
}

/** Enough turns for pending data to arrive over loopback. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 2_000; turn++) await setImmediate();
}

test('sends a comment after 15 s of silence, and another after 15 more', async (context) => {
  // Registered first, so that later hooks run with real timers.
  context.after(() => context.mock.timers.reset());
  const asked = Promise.withResolvers<void>();
  const never: InferenceClient = {
    ...noModels,
    complete: (_question, _hooks, { stop }) =>
      new Promise((_resolve, reject) => {
        stop.addEventListener('abort', () => reject(new Error('stopped')));
        asked.resolve();
      }),
  };
  const { gateway } = await startGateway(context, { inference: never, providers: [] });
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let begun = false;
  let text = '';
  // The comment's head names what was left out, whose type no header can hold.
  void ask(gateway.port, { stream: true, tools: [{ type: '→' }] }).then(([answer]) => {
    begun = true;
    assert.equal(answer.headers['x-qvac-adjusted'], 'tools[0].type "?" left out');
    answer.setEncoding('utf8').on('data', (part: string) => (text += part));
  });
  await asked.promise;
  context.mock.timers.tick(14_999);
  await turns();
  assert.equal(begun, false);
  context.mock.timers.tick(1);
  while (text === '') await setImmediate();
  assert.equal(text, ': waiting\n\n');
  context.mock.timers.tick(15_000);
  while (text === ': waiting\n\n') await setImmediate();
  assert.equal(text, ': waiting\n\n: waiting\n\n');
});

test('with waitVerdict an answer waits 5 s for its verdict, then is sent as pending', async (context) => {
  // Registered first, so that later hooks run with real timers.
  context.after(() => context.mock.timers.reset());
  const delivered = Promise.withResolvers<void>();
  const unchecked: InferenceClient = {
    ...noModels,
    complete: (_question, hooks, { stop }) =>
      new Promise((_resolve, reject) => {
        stop.addEventListener('abort', () => reject(new Error('stopped')));
        hooks.accepted(
          { provider: '12D3KooWx' as never, router: null, model: { id: '00' as never, name: 'm', quant: 'q' } },
          3,
        );
        hooks.delivered({ finish: 'stop', promptTokens: 3, tokens: 2, cost: 0n, receipt: 'ab'.repeat(32) as never });
        delivered.resolve();
      }),
  };
  const { gateway } = await startGateway(context, {
    inference: unchecked,
    providers: [],
    gateway: { waitVerdict: true },
  });
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let verified: unknown = null;
  const answered = ask(gateway.port, {}).then(([answer]) => (verified = answer.resume().headers['x-qvac-verified']));
  await delivered.promise;
  await turns();
  context.mock.timers.tick(4_999);
  await turns();
  assert.equal(verified, null);
  context.mock.timers.tick(1);
  await answered;
  assert.equal(verified, 'pending');
});
