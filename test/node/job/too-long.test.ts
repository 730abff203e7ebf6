import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { startAsker } from '../../support/asking.ts';
import { startProvider, testInput, testSampler } from '../../support/market.ts';
import { startBadProvider } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const longInput = { ...testInput, messages: [{ role: 'user', content: 'a'.repeat(1_000_000) }] };

test('a prompt of 1 MB is refused in one line, and does not count against an honest provider', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  for (let time = 0; time < 3; time++) {
    await assert.rejects(
      asker.ask({ input: longInput }),
      (error) =>
        error instanceof QvacError &&
        error.exitCode === 4 &&
        /longer than the context/.test(error.message) &&
        /shorten/.test(error.hint ?? '') &&
        !error.message.includes('\n'),
    );
  }
  assert.equal(asker.reputation.standing(provider.peer.id).aborted, 0);
  assert.equal((await asker.ask()).provider, provider.peer.id);
});

test('a prompt that does not fit is not sent by a client that holds the model and can count', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider], engines: [createScriptedEngine()] });
  await assert.rejects(
    asker.ask({ input: longInput }),
    (error) => error instanceof QvacError && error.code === 'E_CONTEXT' && /nothing was sent/.test(error.hint ?? ''),
  );
  assert.deepEqual([asker.told, provider.events.all, asker.reputation.standing(provider.peer.id).aborted], [[], [], 0]);
  // Too long by its upper bound, but short enough once counted.
  const input = { ...testInput, messages: [{ role: 'user', content: 'a'.repeat(1_800) }] };
  assert.equal((await asker.ask({ input })).verification.result, 'pass');
});

test('the error says so if a named provider’s context is too short for the answer', async (context) => {
  const provider = await startProvider(context);
  const asker = await startAsker(context, { providers: [provider] });
  const asking = asker.ask({ provider: provider.peer.id, sampler: { ...testSampler, maxTokens: 5_000 } });
  await assert.rejects(
    asking,
    (error) =>
      error instanceof QvacError &&
      /context of 2048 tokens has no room for an answer of 5000/.test(error.message) &&
      /--max-tokens/.test(error.hint ?? '') &&
      !/--provider/.test(error.hint ?? ''),
  );
});

test('a provider that refuses a prompt that certainly fits counts as broken, whatever its reason', async (context) => {
  const provider = await startBadProvider(context, async (stream) => {
    await stream.read(['offer']);
    await stream.write({ t: 'error', code: 'bad-offer', message: 'too long' });
  });
  const asker = await startAsker(context, { providers: [provider] });
  await assert.rejects(asker.ask(), QvacError);
  assert.ok(asker.reputation.standing(provider.peer.id).aborted > 0);
});
