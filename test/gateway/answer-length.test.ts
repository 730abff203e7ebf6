import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { decodeReceipt } from '../../src/proofs/receipt.ts';
import { fetchReceipt, startGateway, type TestGateway } from '../support/gateway.ts';
import { createScriptedEngine } from '../support/scripted-engine.ts';

const context = 2_048;

interface Outcome {
  /** What the offer to the provider asked for. */
  readonly offered: number;
  readonly prompt: number;
  readonly answered: number;
  readonly finish: string;
}

/** Asks for an answer of up to `maxTokens` tokens to a prompt of `length` bytes; null: the default length. */
async function answerTo({ url, receipts }: TestGateway, length: number, maxTokens: number | null): Promise<Outcome> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({
      messages: [{ role: 'user', content: 'x'.repeat(length) }],
      ...(maxTokens === null ? {} : { max_tokens: maxTokens }),
    }),
  });
  const body = (await response.json()) as {
    usage: { prompt_tokens: number; completion_tokens: number };
    choices: { finish_reason: string }[];
  };
  assert.equal(response.status, 200, `${length} ${maxTokens}: ${JSON.stringify(body)}`);
  const id = response.headers.get('x-qvac-receipt');
  await fetchReceipt(url, id);
  const { receipt } = await receipts.get(id ?? '');
  return {
    offered: decodeReceipt(receipt).offer.sampler.maxTokens,
    prompt: body.usage.prompt_tokens,
    answered: body.usage.completion_tokens,
    finish: body.choices[0]?.finish_reason ?? '',
  };
}

/** A provider whose model never stops by itself. @param here whether the gateway has the model, too */
const start = (testContext: TestContext, here: boolean): Promise<TestGateway> =>
  startGateway(testContext, { here: here ? [createScriptedEngine()] : [] });

test('with the model at hand, a length is cut to exactly the room beside the prompt', async (testContext) => {
  const started = await start(testContext, true);
  const { prompt } = await answerTo(started, 1_900, 1);
  const room = context - prompt;
  for (const maxTokens of [room - 1, room, room + 1, context - 1, context, context + 1, 1_000_000]) {
    const expected = Math.min(maxTokens, room);
    assert.deepEqual(await answerTo(started, 1_900, maxTokens), {
      offered: expected,
      prompt,
      answered: expected,
      finish: 'length',
    });
  }
});

test('with the model at hand, the default length is cut as well', async (testContext) => {
  const started = await start(testContext, true);
  const { prompt, answered, finish } = await answerTo(started, 2_020, null);
  assert.ok(prompt + 40 > context);
  assert.deepEqual([answered, finish], [context - prompt, 'length']);
});

test('without the model, no length between the room and the context is refused', async (testContext) => {
  const started = await start(testContext, false);
  const { prompt } = await answerTo(started, 4, 1);
  for (const maxTokens of [
    context - prompt - 1,
    context - prompt,
    context - prompt + 1,
    context - 1,
    context,
    100_000,
  ]) {
    const { offered, finish } = await answerTo(started, 4, maxTokens);
    // The bound on the prompt's tokens is its bytes, those of the day, and 256 more.
    const bound = 'user'.length + 4 + 'YYYY-MM-DD'.length + 256;
    assert.deepEqual([offered, finish], [context - bound, 'length'], `${maxTokens}`);
  }
});

test('without the model, a long prompt gets a shorter answer after a refusal', async (testContext) => {
  const started = await start(testContext, false);
  for (const [length, maxTokens, offered] of [
    [1_000, 100_000, 1_024],
    [1_600, 100_000, 256],
    [1_990, 100_000, 16],
    [1_990, 200, 12],
    [2_020, null, 10],
  ] as const)
    assert.equal((await answerTo(started, length, maxTokens)).offered, offered, `${length} ${maxTokens}`);
});

test('a prompt that fills the context is refused, whatever the length', async (testContext) => {
  for (const here of [true, false]) {
    const { url } = await start(testContext, here);
    for (const maxTokens of [1, 100, 100_000]) {
      const response = await fetch(`${url}/v1/messages`, {
        method: 'POST',
        body: JSON.stringify({ max_tokens: maxTokens, messages: [{ role: 'user', content: 'x'.repeat(3_000) }] }),
      });
      assert.equal(response.status, 400);
      const { error } = (await response.json()) as { error: { type: string; message: string; code: string } };
      assert.deepEqual([error.type, error.code], ['invalid_request_error', 'E_CONTEXT']);
      assert.match(error.message, /^prompt is too long: .*the maximum context length is \d+ tokens/);
      if (here) assert.match(error.message, /: (\d+) tokens > (\d+) maximum/);
    }
  }
});
