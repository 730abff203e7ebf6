import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineInit } from '../../../src/model/engine.ts';
import { openEngine } from '../../../src/model/llama.ts';
import type { ProviderEvent } from '../../../src/node/provider/events.ts';
import { startAsker } from '../../support/asking.ts';
import { startProvider, testSampler } from '../../support/market.ts';
import { inputOf } from '../../support/models/inputs.ts';
import { testCacheDir, tinyModel } from '../../support/models.ts';
import { startRouter } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const words = 'The harbour lay quiet under a low sky while the fishermen mended their nets. '.repeat(6);

type Finished = Extract<ProviderEvent, { readonly event: 'job-finished' }>;

test('the next turn of a conversation costs its new tokens alone, is verified as ever, and saves no other client', async (context) => {
  const model = await tinyModel();
  const open = async (init: Partial<EngineInit>) => {
    const engine = await openEngine({
      modelPath: model.path,
      modelId: model.id,
      name: 'tiny',
      cacheDir: testCacheDir,
      threads: 1,
      context: 2_048,
      ...init,
    });
    context.after(() => engine.dispose());
    await engine.runSelfTest();
    return engine;
  };
  const engine = await open({ slots: 2, keepPrompts: 4 });
  const provider = await startProvider(context, { engine });
  assert.deepEqual(provider.card().card.models[0]?.can, ['grammar', 'prefix']);
  const verifying = await open({});
  // Whether machines of this kind give the same bits is theirs to say.
  const tier = ((await verifying.reproduces?.(engine.exec)) ?? []).length > 0 ? 'exact' : 'statistical';
  const finished: Finished[] = [];
  const asker = await startAsker(context, { providers: [provider], engines: [verifying] });
  const other = await startAsker(context, { providers: [provider], engines: [verifying] });
  const messages = [{ role: 'user', content: words }];
  for (const [turn, { ask }] of [asker, asker, other].entries()) {
    const answer = await ask({ input: inputOf(messages), sampler: { ...testSampler, maxTokens: 8 }, model: null });
    assert.deepEqual([answer.verification.result, answer.verification.tier], ['pass', tier]);
    finished.push(await provider.events.until('job-finished', 60_000, ({ job }) => job === answer.receipt));
    if (turn === 0) messages.push({ role: 'assistant', content: answer.text }, { role: 'user', content: 'And then?' });
  }
  const [first, followUp, stranger] = finished.map(({ reused }) => reused);
  assert.equal(first, 0);
  assert.ok((followUp ?? 0) >= 128 && (followUp ?? 0) % 128 === 0, `${followUp} tokens were reused`);
  assert.equal(stranger, 0, 'the same prompt by another client');
});

test('client and router remember which provider answered a conversation', async (context) => {
  const provider = await startProvider(context, { engine: { ...createScriptedEngine(), keepsPrompts: true } });
  const other = await startProvider(context, { engine: { ...createScriptedEngine(), keepsPrompts: true } });
  const router = await startRouter(context, { providers: [provider] });
  const asker = await startAsker(context, { providers: [provider, other] });
  const messages = [{ role: 'user', content: 'What is a harbour?' }];
  const modelId = provider.engine.facts.id;
  for (const { reputation, options } of [
    { reputation: asker.reputation, options: { provider: provider.address } },
    { reputation: router.reputation, options: { router: { target: router.address, optional: false } } },
  ]) {
    const { text } = await asker.ask({ input: inputOf(messages), ...options });
    const next = inputOf([...messages, { role: 'assistant', content: text }, { role: 'user', content: 'And then?' }]);
    const share = reputation.knownShareOf(next);
    assert.ok(share(provider.peer.id, modelId) > 0);
    assert.equal(share(other.peer.id, modelId), 0);
  }
});
