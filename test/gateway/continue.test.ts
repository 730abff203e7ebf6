import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedOfNumber } from '../../src/protocol/digests.ts';
import { BreakPlan, breakingPeer } from '../support/breaking.ts';
import { startGateway } from '../support/gateway.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

interface Chunk {
  readonly choices?: readonly { readonly delta?: { readonly content?: string } }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number };
  readonly 'x-qvac-provider'?: string;
  readonly 'x-qvac-receipt'?: string;
}

interface Report {
  readonly verified: string;
  readonly start: number;
  readonly provider: string;
  readonly earlier: readonly { readonly provider: string; readonly tokens: number }[];
}

test('an answer whose provider is lost streams on without a seam, and its receipt shows both parts', async (context) => {
  const plan = new BreakPlan();
  const { tokenizer } = createScriptedEngine();
  const gateway = await startGateway(context, {
    here: [createScriptedEngine()],
    providers: [0, 1].map(() => ({ wrapPeer: (peer) => breakingPeer(peer, plan, tokenizer) })),
  });
  const ask = async (): Promise<readonly Chunk[]> => {
    const body = {
      messages: [{ role: 'user', content: 'why is the sky blue?' }],
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 64,
      seed: 7,
    };
    const response = await gateway.fetchAsPage('/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    assert.equal(response.status, 200);
    return (await response.text())
      .split('\n')
      .filter((line) => line.startsWith('data: {'))
      .map((line) => JSON.parse(line.slice(6)) as Chunk);
  };
  const textOf = (chunks: readonly Chunk[]): string =>
    chunks.map(({ choices }) => choices?.[0]?.delta?.content ?? '').join('');
  const whole = await ask();
  plan.set(seedOfNumber(7n), [40]);
  const parted = await ask();
  assert.equal(plan.left, 0);
  assert.equal(textOf(parted), textOf(whole));
  const usageOf = (chunks: readonly Chunk[]): Chunk['usage'] => chunks.findLast(({ usage }) => usage != null)?.usage;
  assert.deepEqual(usageOf(parted), usageOf(whole));
  const last = parted.findLast((chunk) => chunk['x-qvac-receipt'] !== undefined) ?? assert.fail('no receipt');
  let response = await gateway.fetchAsPage(`/qvac/receipts/${last['x-qvac-receipt']}`);
  while (response.status === 202) response = await gateway.fetchAsPage(`/qvac/receipts/${last['x-qvac-receipt']}`);
  const { verified, start, provider, earlier } = (await response.json()) as Report;
  assert.deepEqual([verified, start, provider], ['exact', 40, last['x-qvac-provider']]);
  const other = gateway.providers.find(({ peer }) => peer.id !== provider)?.peer.id;
  assert.deepEqual(
    earlier.map((part) => ({ provider: part.provider, tokens: part.tokens })),
    [{ provider: other, tokens: 40 }],
  );
  const file = await gateway.fetchAsPage(`/receipts/${last['x-qvac-receipt']}`);
  assert.equal(file.headers.get('x-qvac-verified'), 'exact');
});
