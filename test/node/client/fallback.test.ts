import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAsker } from '../../support/asking.ts';
import { startProvider } from '../../support/market.ts';
import { startRouter } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

test('if the router has another file of that name, only the default level falls back', async (context) => {
  const provider = await startProvider(context);
  const router = await startRouter(context, {
    providers: [provider],
    engines: [createScriptedEngine({ weights: 'another' })],
  });
  const asker = await startAsker(context);
  const through = { model: 'scripted', router: { target: router.address, optional: false } };

  const { verification, level } = await asker.ask(through);
  assert.deepEqual([level, verification.result, verification.tier], ['sampling', 'pass', 'sampling']);
  assert.ok(
    asker.told.includes('note the router cannot re-execute what is offered; checking by sampling'),
    asker.told.join('\n'),
  );

  const accepted = (): number => provider.events.all.filter(({ event }) => event === 'job-accepted').length;
  assert.equal(accepted(), 1);
  await assert.rejects(asker.ask({ ...through, verify: 'full' }), { code: 'E_NO_MODEL' });
  assert.equal(accepted(), 1, 'no provider received the prompt');
});

test('the default is full if the router lists the model, sampling if neither side has it', async (context) => {
  const provider = await startProvider(context);
  for (const [engines, level, tier] of [
    [[createScriptedEngine()], 'full', 'exact'],
    [[], 'sampling', 'sampling'],
  ] as const) {
    const router = await startRouter(context, { providers: [provider], engines });
    const answer = await (await startAsker(context)).ask({
      model: 'scripted',
      router: { target: router.address, optional: false },
    });
    assert.deepEqual([answer.level, answer.verification.result, answer.verification.tier], [level, 'pass', tier]);
  }
});
