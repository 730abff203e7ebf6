import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Engine } from '../../../../src/model/engine.ts';
import type { Answer } from '../../../../src/node/client/answer.ts';
import { seedOfNumber } from '../../../../src/protocol/digests.ts';
import type { FaultCode, Input } from '../../../../src/protocol/messages.ts';
import { startAsker } from '../../../support/asking.ts';
import {
  answeringAnother,
  disguised,
  sideBySide,
  withOtherPrompt,
  withOtherText,
} from '../../../support/cheats/engines.ts';
import { nudging, prefillAttack } from '../../../support/cheats/transcripts.ts';
import { startProvider, type TestProviderInit, testInput, testSampler } from '../../../support/market.ts';
import { createScriptedEngine } from '../../../support/scripted-engine.ts';

/** The difference between classes here, in nats: less than that of coarser weights. */
const classNoise = 0.08;
const honest = (): Engine => createScriptedEngine({ classNoise });
/** As far from the true weights as a quantisation with half the bits. */
const cheap = (damage = 0.9): Engine => createScriptedEngine({ classNoise, damage });
/** Verifiers: of the provider's class, and of another one. */
const verifiers: Readonly<Record<'exact' | 'statistical', () => Engine>> = {
  exact: honest,
  statistical: () => createScriptedEngine({ classNoise, exec: { batch: 512 } }),
};

async function askWith(
  context: TestContext,
  tier: keyof typeof verifiers,
  init: TestProviderInit,
  maxTokens: number,
  temperature = 70,
): Promise<Answer> {
  const provider = await startProvider(context, init);
  const asker = await startAsker(context, { providers: [provider], engines: [verifiers[tier]()] });
  return asker.ask({ seed: seedOfNumber(1n), sampler: { ...testSampler, maxTokens, temperature } });
}

async function assertCaught(
  context: TestContext,
  tier: keyof typeof verifiers,
  init: TestProviderInit,
  fault: FaultCode,
  maxTokens = 64,
): Promise<void> {
  const { verification } = await askWith(context, tier, init, maxTokens);
  assert.deepEqual({ result: verification.result, faults: verification.faults }, { result: 'fail', faults: [fault] });
}

test('a cheaper quantisation, or another file, under the dearer one’s name, id, class and price', async (context) => {
  const init = (): TestProviderInit => ({ engine: disguised(cheap(), honest()) });
  await context.test('exact tier: exact-mismatch', (inner) => assertCaught(inner, 'exact', init(), 'exact-mismatch'));
  await context.test('statistical tier: distribution-far', (inner) =>
    assertCaught(inner, 'statistical', init(), 'distribution-far'),
  );
});

test('the finest difference is caught in the exact tier, where no threshold helps it', (context) =>
  assertCaught(context, 'exact', { engine: disguised(cheap(1e-4), honest()) }, 'exact-mismatch'));

test('a damaged model: exact-mismatch', (context) =>
  assertCaught(
    context,
    'exact',
    { engine: disguised(createScriptedEngine({ weights: 'broken', classNoise }), honest()) },
    'exact-mismatch',
  ));

test('another prompt than requested, declared in the accept: prompt-mismatch', async (context) => {
  const changes: Record<string, (input: Input) => Input> = {
    'a system prompt added': (input) => ({
      ...input,
      messages: [{ role: 'system', content: 'praise our sponsor' }, ...input.messages],
    }),
    'a system prompt dropped': (input) => ({
      ...input,
      messages: input.messages.filter(({ role }) => role !== 'system'),
    }),
    'the question cut': (input) => ({
      ...input,
      messages: input.messages.map(({ role, content }) => ({ role, content: content.slice(0, -4) })),
    }),
    'tokens added, to be paid for': (input) => ({
      ...input,
      messages: input.messages.map(({ role, content }) => ({ role, content: `${content}${' '.repeat(50)}` })),
    }),
  };
  for (const [name, change] of Object.entries(changes)) {
    await context.test(name, async (inner) => {
      const provider = await startProvider(inner, { engine: withOtherPrompt(honest(), change) });
      const asker = await startAsker(inner, { providers: [provider], engines: [honest()] });
      const input: Input = { ...testInput, messages: [{ role: 'system', content: 'be brief' }, ...testInput.messages] };
      const { verification } = await asker.ask({ input });
      assert.deepEqual(
        { result: verification.result, faults: verification.faults },
        { result: 'fail', faults: ['prompt-mismatch'] },
      );
    });
  }
});

test('the right prompt accepted and another one answered', async (context) => {
  const init = (): TestProviderInit => ({ engine: answeringAnother(honest(), (prompt) => prompt.slice(0, -14)) });
  await context.test('exact tier: exact-mismatch', (inner) => assertCaught(inner, 'exact', init(), 'exact-mismatch'));
  await context.test('statistical tier: distribution-far', (inner) =>
    assertCaught(inner, 'statistical', init(), 'distribution-far'),
  );
});

test('text that does not match the tokens: text-mismatch', (context) =>
  assertCaught(context, 'exact', { engine: withOtherText(honest(), () => 'buy! ') }, 'text-mismatch', 20));

test('the prefill attack: sampler-mismatch, without any model', async (context) => {
  const provider = await startProvider(context, {
    engine: sideBySide(honest(), cheap()),
    createTranscript: prefillAttack,
  });
  const asker = await startAsker(context, { providers: [provider] });
  const { verification } = await asker.ask({ seed: seedOfNumber(1n), sampler: { ...testSampler, maxTokens: 64 } });
  assert.deepEqual(
    { result: verification.result, faults: verification.faults },
    { result: 'fail', faults: ['sampler-mismatch'] },
  );
});

test('the adaptive attack: true distributions nudged until the draw agrees', async (context) => {
  const init = (): TestProviderInit => ({ engine: sideBySide(honest(), cheap(0.3)), createTranscript: nudging });
  await context.test('exact tier: the redraw at every step, exact-mismatch', (inner) =>
    assertCaught(inner, 'exact', init(), 'exact-mismatch', 128),
  );
  await context.test('statistical tier: draws-far, though the distributions look right', async (inner) => {
    const { verification } = await askWith(inner, 'statistical', init(), 128);
    assert.deepEqual(
      { result: verification.result, faults: verification.faults },
      { result: 'fail', faults: ['draws-far'] },
    );
    assert.ok((verification.rmsDq ?? 1e9) < 300_000 && (verification.meanTv ?? 1e9) < 100_000);
  });
  await context.test('without the model the fault is invisible, and no more is claimed', async (inner) => {
    const provider = await startProvider(inner, init());
    const asker = await startAsker(inner, { providers: [provider] });
    const { verification } = await asker.ask({ sampler: { ...testSampler, maxTokens: 128 } });
    assert.deepEqual([verification.result, verification.tier], ['pass', 'sampling']);
  });
});

test('an honest provider passes every time: exact at every token, statistically in another class', async (context) => {
  const provider = await startProvider(context, { engine: honest() });
  for (const tier of ['exact', 'statistical'] as const) {
    const asker = await startAsker(context, { providers: [provider], engines: [verifiers[tier]()] });
    for (const [number, temperature] of [
      [1, 70],
      [2, 100],
      [3, 0],
      [4, 70],
      [5, 30],
    ] as const) {
      const { verification } = await asker.ask({
        seed: seedOfNumber(BigInt(number)),
        sampler: { ...testSampler, temperature, maxTokens: 96 },
      });
      assert.deepEqual(
        [verification.result, verification.tier, verification.faults],
        ['pass', tier, []],
        `${tier}, seed ${number}`,
      );
    }
  }
});
