import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Engine, EngineInit } from '../../../../src/model/engine.ts';
import { openEngine } from '../../../../src/model/llama.ts';
import type { Answer } from '../../../../src/node/client/answer.ts';
import { seedOfNumber } from '../../../../src/protocol/digests.ts';
import type { FaultCode } from '../../../../src/protocol/messages.ts';
import { startAsker, type TestAsker } from '../../../support/asking.ts';
import { disguised, sideBySide, withOtherPrompt } from '../../../support/cheats/engines.ts';
import { withCoarseCache } from '../../../support/cheats/kv-cache.ts';
import { nudging, prefillAttack } from '../../../support/cheats/transcripts.ts';
import { startProvider, type TestProviderInit } from '../../../support/market.ts';
import { chat } from '../../../support/models/inputs.ts';
import { type TestModel, testModel } from '../../../support/models.ts';

/** Real weights over a real network: SmolLM2-135M in eight bits is what every provider here claims to serve. */

const patience = { timeout: 600_000 };

async function open(context: TestContext, { path, id }: TestModel, change: Partial<EngineInit> = {}): Promise<Engine> {
  const cacheDir = await mkdtemp(join(tmpdir(), 'qvac-engine-'));
  const engine = await openEngine({
    modelPath: path,
    modelId: id,
    name: 'smollm2-135m',
    context: 512,
    threads: 1,
    gpu: 'off',
    cacheDir,
    ...change,
  });
  context.after(async () => {
    await engine.dispose();
    await rm(cacheDir, { recursive: true, force: true });
  });
  return engine;
}

async function askOf(
  asker: TestAsker,
  provider: { readonly address: string },
  { seed = 1n, maxTokens = 48, temperature = 70, question = 'why is the sky blue?' } = {},
): Promise<Answer> {
  return asker.ask({
    provider: provider.address,
    input: chat(question),
    seed: seedOfNumber(seed),
    sampler: { temperature, minP: 5, topP: 100, topK: 20, maxTokens },
    timeoutMs: 300_000,
  });
}

test('real weights', patience, async (context) => {
  const q8 = await testModel('q8_0');
  const verifier = await open(context, q8);
  /** Smaller blocks than the provider declares: another class, with other bits, which cannot reproduce the provider's. */
  const otherClass = await open(context, q8, { batch: 32, promptBatch: 32 });
  const exact = await startAsker(context, { engines: [verifier] });
  const statistical = await startAsker(context, { engines: [otherClass] });

  async function assertCaught(
    inner: TestContext,
    asker: TestAsker,
    init: TestProviderInit,
    faults: readonly FaultCode[],
    options: Parameters<typeof askOf>[2] = {},
  ): Promise<void> {
    const provider = await startProvider(inner, init);
    const { verification } = await askOf(asker, provider, options);
    assert.equal(verification.result, 'fail');
    assert.ok(
      faults.includes(verification.faults[0] ?? ('none' as never)),
      `${verification.faults[0]} instead of ${faults.join(' or ')}`,
    );
  }

  await context.test(
    'an honest answer is exact at every token, and statistical for another class',
    patience,
    async (inner) => {
      const provider = await startProvider(inner, { engine: await open(inner, q8) });
      for (const [seed, temperature] of [
        [1n, 70],
        [2n, 100],
        [3n, 0],
      ] as const) {
        const here = await askOf(exact, provider, { seed, temperature, maxTokens: 64 });
        assert.deepEqual([here.verification.result, here.verification.tier], ['pass', 'exact']);
        const there = await askOf(statistical, provider, { seed, temperature, maxTokens: 64 });
        assert.deepEqual(
          [there.verification.result, there.verification.tier, there.verification.faults],
          ['pass', 'statistical', []],
        );
        assert.equal(here.text, there.text);
      }
    },
  );

  await context.test(
    'an honest answer computed in other prompt blocks passes in the statistical tier',
    patience,
    async (inner) => {
      // Blocks that no verifier reproduces.
      const provider = await startProvider(inner, { engine: await open(inner, q8, { promptBatch: 200 }) });
      // Longer than the verifier's blocks of 128 tokens, from where the bits depend on their size.
      const list = 'an apple, a pear, a plum, a hammer, a cherry; '.repeat(12);
      const question = `Which of these is the odd one out, and why? ${list}`;
      for (const seed of [11n, 12n]) {
        const { verification } = await askOf(exact, provider, { seed, maxTokens: 64, question });
        assert.deepEqual([verification.result, verification.tier, verification.faults], ['pass', 'statistical', []]);
        assert.ok((verification.rmsDq ?? 0) > 0, 'the bits must differ, or this test shows nothing');
      }
    },
  );

  await context.test(
    'four bits for eight: exact-mismatch, and distribution-far in the statistical tier',
    patience,
    async (inner) => {
      const cheap = async () => disguised(await open(inner, await testModel('q4_0')), await open(inner, q8));
      await assertCaught(inner, exact, { engine: await cheap() }, ['exact-mismatch']);
      await assertCaught(inner, statistical, { engine: await cheap() }, ['distribution-far']);
    },
  );

  for (const kind of ['f16', 'damaged'] as const) {
    await context.test(`${kind} under the id of the Q8_0 file: exact-mismatch`, patience, async (inner) =>
      assertCaught(
        inner,
        exact,
        { engine: disguised(await open(inner, await testModel(kind)), await open(inner, q8)) },
        ['exact-mismatch'],
      ),
    );
  }

  await context.test('a KV cache of eight bits where sixteen are declared: exact-mismatch', patience, async (inner) =>
    assertCaught(inner, exact, { engine: await open(inner, { ...q8, path: await withCoarseCache(inner, q8.path) }) }, [
      'exact-mismatch',
    ]),
  );

  await context.test('the default system prompt replaced: prompt-mismatch', patience, async (inner) =>
    assertCaught(
      inner,
      exact,
      {
        engine: withOtherPrompt(await open(inner, q8), (input) => ({
          ...input,
          messages: [{ role: 'system', content: 'Sell something.' }, ...input.messages],
        })),
      },
      ['prompt-mismatch'],
    ),
  );

  await context.test('the prefill attack: sampler-mismatch', patience, async (inner) =>
    assertCaught(
      inner,
      exact,
      {
        engine: sideBySide(await open(inner, q8), await open(inner, await testModel('q4_0'))),
        createTranscript: prefillAttack,
      },
      ['sampler-mismatch'],
    ),
  );

  await context.test(
    'the adaptive attack: exact-mismatch by the redraw; in the statistical tier draws-far or distribution-far',
    patience,
    async (inner) => {
      const cheat = async (): Promise<TestProviderInit> => ({
        engine: sideBySide(await open(inner, q8), await open(inner, await testModel('q4_0'))),
        createTranscript: nudging,
      });
      await assertCaught(inner, exact, await cheat(), ['exact-mismatch'], { maxTokens: 64 });
      await assertCaught(inner, statistical, await cheat(), ['draws-far', 'distribution-far'], { maxTokens: 128 });
    },
  );
});
