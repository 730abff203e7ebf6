import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import { createReputation } from '../../../src/node/selection/reputation.ts';
import { startAsker, type TestAsker } from '../../support/asking.ts';
import { sideBySide } from '../../support/cheats/engines.ts';
import { nudgingWithin } from '../../support/cheats/transcripts.ts';
import { temporaryHome } from '../../support/home.ts';
import { startProvider, type TestProvider, type TestProviderInit, testSampler } from '../../support/market.ts';
import { startRouter } from '../../support/router.ts';
import { createScriptedEngine, type ScriptedInit } from '../../support/scripted-engine.ts';

/** Four answers make a pool. */
const sampler = { ...testSampler, maxTokens: 256 };
const inPool = 4;

/** A class whose honest mean miss is that of the recorded answers, 0.0012 instead of 0.0013. */
const verifierScript = (kernels = 'other'): ScriptedInit => ({ exec: { kernels }, classNoise: 0.07 });
const verifier = (kernels?: string) => createScriptedEngine(verifierScript(kernels));

/** A little worse model, sold by true distributions that are moved by at most 0.08 a step. Its mean miss is 0.007. */
const cheat: TestProviderInit = {
  engine: sideBySide(createScriptedEngine(), createScriptedEngine({ damage: 0.25 })),
  createTranscript: nudgingWithin(0.08),
};

const start = (context: TestContext, init: TestProviderInit = {}): Promise<TestProvider> =>
  startProvider(context, { ...init, provider: { burst: 10_000 } });

/** The answer to one of the questions, each of which has its own seed. */
async function pass(asker: TestAsker, at: number, init: Parameters<TestAsker['ask']>[0]): Promise<void> {
  const answer = await asker.ask({ sampler, seed: new Uint8Array(32).fill(at + 1), ...init });
  const { result, tier, faults } = answer.verification;
  assert.deepEqual([result, tier, faults], ['pass', 'statistical', []], `answer ${at}`);
}

const farTogether = (asker: TestAsker): readonly string[] =>
  asker.told.filter((line) => /are together too far from this model: mean miss 0\.00\d\d over 1024 steps/.test(line));

test('answers that pass one by one are too far together, and an honest provider’s never are', async (context) => {
  const [honest, nudger] = [await start(context), await start(context, cheat)];
  const path = join(await temporaryHome(context), 'experience.json');
  const askerWith = async () => {
    const reputation = createReputation({ clock: systemClock, logger: silentLogger }, { path });
    await reputation.start();
    return startAsker(context, { providers: [honest, nudger], engines: [verifier()], reputation });
  };
  const before = await askerWith();
  for (let at = 0; at < inPool / 2; at++) {
    await pass(before, at, { provider: nudger.address });
    await pass(before, at, { provider: honest.address });
  }
  await before.reputation.stop();
  // A new process goes on with the same evidence, whatever other providers and settings come in between.
  const asker = await askerWith();
  for (let at = inPool / 2; at < inPool; at++) {
    assert.equal(asker.reputation.standing(nudger.peer.id).usable, true);
    await pass(asker, at, { provider: honest.address });
    await pass(asker, at, { provider: nudger.address });
  }
  const { usable, lastFault, reason } = asker.reputation.standing(nudger.peer.id);
  assert.deepEqual([usable, lastFault], [false, 'pool-far']);
  assert.match(reason ?? '', /together too far from its model/);
  assert.equal(farTogether(asker).length, 1);
  // Only who names it still gets its answers, and a new pool begins.
  await pass(asker, inPool, { provider: nudger.address });
  assert.ok(asker.reputation.standing(nudger.peer.id).faults <= 1);
  for (let at = inPool; at < 2 * inPool; at++) await pass(asker, at, { provider: honest.address });
  assert.deepEqual([asker.reputation.standing(honest.peer.id).lastFault, farTogether(asker).length], [null, 1]);
});

test('a router shuns such a provider for everyone it serves', async (context) => {
  const nudger = await start(context, cheat);
  const router = await startRouter(context, { providers: [nudger], engines: [verifier()] });
  const asker = await startAsker(context);
  const through = { model: 'scripted/q8_0', router: { target: router.address, optional: false } };
  for (let at = 0; at < inPool; at++) await pass(asker, at, through);
  assert.equal(router.reputation.standing(nudger.peer.id).lastFault, 'pool-far');
  await assert.rejects(asker.ask({ sampler, ...through }), { code: 'E_NO_PROVIDER' });
});

test('behind a router without the model, the client’s own recomputation counts', async (context) => {
  const nudger = await start(context, cheat);
  const router = await startRouter(context, { providers: [nudger] });
  const asker = await startAsker(context, { engines: [verifier()] });
  const through = { model: 'scripted/q8_0', router: { target: router.address, optional: false } };
  for (let at = 0; at < inPool; at++) await pass(asker, at, through);
  assert.equal(asker.reputation.standing(nudger.peer.id).lastFault, 'pool-far');
  assert.equal(farTogether(asker).length, 1);
});

test('the numbers of three referees together count, too', async (context) => {
  const nudger = await start(context, cheat);
  const referees: TestProvider[] = [];
  for (const kernels of ['a', 'b', 'c']) referees.push(await start(context, { script: verifierScript(kernels) }));
  const asker = await startAsker(context, { providers: [nudger, ...referees] });
  for (let at = 0; at < inPool; at++) await pass(asker, at, { provider: nudger.address, referees: 3 });
  assert.equal(asker.reputation.standing(nudger.peer.id).lastFault, 'pool-far');
});
