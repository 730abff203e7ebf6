import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { startGateway } from '../support/gateway.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const question = {
  model: 'scripted',
  system: 'Be brief',
  messages: [{ role: 'user' as const, content: 'why is the sky blue?' }],
};

test('with the model at hand, a prompt’s tokens are counted exactly', async (context) => {
  const { url } = await startGateway(context, { here: [createScriptedEngine()] });
  const client = new Anthropic({ baseURL: url, apiKey: 'none', maxRetries: 0 });
  const counted = await client.messages.countTokens(question);
  const answer = await client.messages.create({ ...question, max_tokens: 2 });
  assert.equal(counted.input_tokens, answer.usage.input_tokens);
  assert.deepEqual((counted as unknown as { qvac: object }).qvac, { exact: true });
});

test('without the model, the count is an estimate and says so', async (context) => {
  const { url } = await startGateway(context);
  const count = async (content: string): Promise<{ input_tokens: number; qvac: object }> => {
    const response = await fetch(`${url}/v1/messages/count_tokens`, {
      method: 'POST',
      body: JSON.stringify({ ...question, messages: [{ role: 'user', content }] }),
    });
    return (await response.json()) as { input_tokens: number; qvac: object };
  };
  const short = await count('why?');
  assert.deepEqual(short, { input_tokens: Math.ceil(('Be brief'.length + 4) / 4) + 2 * 8, qvac: { exact: false } });
  assert.equal((await count('why?'.repeat(1_001))).input_tokens - short.input_tokens, 1_000);
});
