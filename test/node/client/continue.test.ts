import assert from 'node:assert/strict';
import { describe, it, type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { toHex } from '../../../src/lib/bytes.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/log.ts';
import type { Engine } from '../../../src/model/engine.ts';
import { createCardIssuer } from '../../../src/node/cards/card-issuer.ts';
import type { Answer } from '../../../src/node/client/answer.ts';
import { cardContentOf } from '../../../src/node/provider/card-content.ts';
import { decodeReceipt } from '../../../src/proofs/receipt.ts';
import { finish } from '../../../src/protocol/codes.ts';
import { jobProtocol } from '../../../src/protocol/constants.ts';
import { seedOfNumber } from '../../../src/protocol/digests.ts';
import { grammarOfJsonSchema } from '../../../src/protocol/grammar/compile/json-schema.ts';
import { decodeOffer } from '../../../src/protocol/validate.ts';
import { startAsker, type TestAsker } from '../../support/asking.ts';
import { inBatches } from '../../support/batches.ts';
import { BreakPlan, breakingPeer, forgivingReputation } from '../../support/breaking.ts';
import { fitsSchema } from '../../support/json-schema.ts';
import { startProvider, type TestProvider, testSampler } from '../../support/market.ts';
import { startMarketProcess } from '../../support/market-process.ts';
import { addressOf, startPeer, unprobed } from '../../support/peers.ts';
import { createScriptedEngine, type ScriptedInit } from '../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 64 };
const schema = {
  type: 'object',
  properties: { name: { type: 'string', maxLength: 12 }, age: { type: 'integer', minimum: 0, maximum: 120 } },
  required: ['name', 'age'],
};

interface BreakingMarket {
  readonly plan: BreakPlan;
  readonly providers: readonly TestProvider[];
  readonly asker: TestAsker;
}

/** Providers of one class, the first asked first, and a client that re-executes their answers. */
async function startMarket(context: TestContext, count: number, script: ScriptedInit = {}): Promise<BreakingMarket> {
  const plan = new BreakPlan();
  const providers: TestProvider[] = [];
  for (let at = 0; at < count; at++) {
    const engine = createScriptedEngine({ slots: 80, ...script });
    providers.push(
      await startProvider(context, {
        engine,
        offering: { tokensPerSecond: 10_000 - 3_000 * at },
        peer: { limits: unprobed },
        wrapPeer: (peer) => breakingPeer(peer, plan, engine.tokenizer),
      }),
    );
  }
  return { plan, providers, asker: await startFullAsker(context, providers, script) };
}

function startFullAsker(
  context: TestContext,
  providers: readonly TestProvider[],
  script: ScriptedInit = {},
): Promise<TestAsker> {
  const engines = [createScriptedEngine(script)];
  return startAsker(context, { providers, engines, reputation: forgivingReputation(), peer: { limits: unprobed } });
}

describe('an answer whose provider is lost', () => {
  it('is continued from the last token that was shown, wherever it breaks', async (context) => {
    const { plan, providers, asker } = await startMarket(context, 2);
    const [first, second] = providers.map(({ peer }) => peer.id);
    for (let at = 0; at <= sampler.maxTokens; at++) {
      const seed = seedOfNumber(BigInt(at));
      const { text } = await asker.ask({ sampler, seed, verify: 'none' });
      plan.set(seed, [at]);
      asker.told.length = 0;
      const answer = await asker.ask({ sampler, seed });
      assert.equal(plan.left, 0, `${at}`);
      assert.equal(shown(asker), text, `${at}`);
      const { result, tier } = answer.verification;
      assert.deepEqual(
        [answer.text, answer.tokens, answer.provider, result, tier, answer.atFault],
        [text, 64, second, 'pass', 'exact', null],
      );
      // The answer had ended after its last token, which only its final head lacked: the last frame is asked for again.
      const parts = at === 0 ? [] : [{ provider: first, tokens: Math.min(at, 63) }];
      assert.deepEqual(
        answer.earlier.map(({ provider, tokens }) => ({ provider, tokens })),
        parts,
      );
      assert.deepEqual(
        asker.told.filter((line) => line.startsWith('broke off')),
        at === 0 ? [] : [`broke off ${first} ${at}`],
      );
      checkReceipts(asker, answer);
    }
  });

  it('is continued if its provider freezes, wherever that is, also if the next one is lost after a token', async (context) => {
    const { plan, providers, asker } = await startMarket(context, 3);
    const ids = providers.map(({ peer }) => peer.id);
    const places = Array.from({ length: sampler.maxTokens }, (_, at) => at);
    const seedOf = (at: number): Uint8Array => seedOfNumber(BigInt(at));
    // A provider serves one client a limited number of streams at once.
    const askers = [asker, ...(await Promise.all([1, 2, 3].map(() => startFullAsker(context, providers))))];
    const askAll = (verify: 'none' | 'full'): Promise<readonly Answer[]> =>
      inBatches(places, 16, (at) => (askers[at % askers.length] ?? asker).ask({ sampler, seed: seedOf(at), verify }));
    const whole = await askAll('none');
    for (const at of places) plan.set(seedOf(at), [at, at + 1], 'freeze', 'kill');
    // Those of a batch wait for their silent provider at once.
    const answers = await askAll('full');
    assert.equal(plan.left, 0);
    for (const [at, { text, provider, earlier, verification }] of answers.entries()) {
      assert.deepEqual(
        [text, verification.result, verification.tier, ...earlier.map((part) => part.provider), provider],
        [whole[at]?.text, 'pass', 'exact', ...(at === 0 ? ids.slice(1) : ids)],
      );
      // The last token is asked for again.
      const counts = at === 0 ? [1] : at === 63 ? [63, 0] : [at, 1];
      assert.deepEqual(
        earlier.map(({ tokens }) => tokens),
        counts,
      );
    }
  });

  it('is continued twice, also by a provider that gives one token', async (context) => {
    const { plan, providers, asker } = await startMarket(context, 3);
    const ids = providers.map(({ peer }) => peer.id);
    const seed = seedOfNumber(1n);
    const { text } = await asker.ask({ sampler, seed });
    for (const places of [
      [20, 41],
      [33, 34],
      [1, 63],
      [40, 64],
    ]) {
      plan.set(seed, places);
      asker.told.length = 0;
      const answer = await asker.ask({ sampler, seed });
      const { earlier, provider, verification } = answer;
      assert.deepEqual([shown(asker), answer.text, plan.left], [text, text, 0]);
      assert.deepEqual([...earlier.map((part) => part.provider), provider], ids);
      assert.deepEqual([verification.result, verification.tier], ['pass', 'exact']);
      checkReceipts(asker, answer);
    }
  });

  it('is not asked for a second time if it had ended with a stop token, whose final head is lost', async (context) => {
    const { plan, asker } = await startMarket(context, 2, { stopAfter: 20 });
    const seed = seedOfNumber(1n);
    const { text, tokens } = await asker.ask({ sampler, seed });
    asker.told.length = 0;
    plan.set(seed, [tokens]);
    const answer = await asker.ask({ sampler, seed });
    assert.deepEqual(
      [shown(asker), answer.text, answer.tokens, answer.finish, answer.verification.tier, plan.left],
      [text, text, tokens, finish.stopToken, 'exact', 0],
    );
  });

  it('is continued by another class if there is no other of its own, which is statistical then', async (context) => {
    const plan = new BreakPlan();
    const providers: TestProvider[] = [];
    for (const [at, kernels] of ['none', 'other', 'none'].entries()) {
      const engine = createScriptedEngine({ exec: { kernels } });
      providers.push(
        await startProvider(context, {
          engine,
          offering: { tokensPerSecond: 10_000 - 3_000 * at },
          wrapPeer: (peer) => breakingPeer(peer, plan, engine.tokenizer),
        }),
      );
    }
    const [first, other, same] = providers.map(({ peer }) => peer.id);
    const engines = [createScriptedEngine()];
    const asker = await startAsker(context, { providers, engines, reputation: forgivingReputation() });
    const seed = seedOfNumber(1n);
    plan.set(seed, [20]);
    const exact = await asker.ask({ sampler, seed });
    assert.deepEqual([exact.earlier[0]?.provider, exact.provider], [first, same]);
    plan.set(seed, [20, 40]);
    const { provider, earlier, verification } = await asker.ask({ sampler, seed });
    assert.deepEqual([...earlier.map((part) => part.provider), provider], [first, same, other]);
    assert.deepEqual([verification.result, verification.tier], ['pass', 'statistical']);
    // The class of the last job draws other tokens than those before it, near as they are.
    const alone = await startAsker(context, { providers: providers.slice(0, 2), engines });
    plan.set(seed, [20]);
    const mixed = await alone.ask({ sampler, seed });
    assert.deepEqual(
      [mixed.provider, mixed.verification.result, mixed.verification.tier],
      [other, 'pass', 'statistical'],
    );
  });

  it('goes on with its settings: penalties count what was shown, and stop texts span the break', async (context) => {
    const { plan, asker } = await startMarket(context, 2);
    const seed = seedOfNumber(3n);
    const extra = { presence: 700, frequency: 300 };
    const { text } = await asker.ask({ sampler, seed, extra });
    // Three characters somewhere in the middle, none of which is complete at the break.
    const stopTexts = [Array.from(text).slice(38, 42).join('')];
    const whole = await asker.ask({ sampler, seed, extra: { ...extra, stopTexts } });
    assert.equal(whole.finish, finish.stopText);
    for (const at of [10, whole.tokens - 2, whole.tokens]) {
      plan.set(seed, [at]);
      asker.told.length = 0;
      const answer = await asker.ask({ sampler, seed, extra: { ...extra, stopTexts } });
      assert.deepEqual(
        [shown(asker), answer.text, answer.tokens, answer.finish, answer.verification.tier, plan.left],
        [whole.text, whole.text, whole.tokens, finish.stopText, 'exact', 0],
      );
    }
  });

  it('goes on under its grammar, whose state the next provider computes from what was shown', async (context) => {
    const { plan, providers, asker } = await startMarket(context, 2);
    const [first, second] = providers.map(({ peer }) => peer.id);
    const seed = seedOfNumber(5n);
    const more = { ...sampler, maxTokens: 200 };
    const extra = { rules: grammarOfJsonSchema(schema) };
    const whole = await asker.ask({ sampler: more, seed, extra });
    assert.ok(fitsSchema(JSON.parse(whole.text), schema), whole.text);
    // In a key, in a number or text, and before the last brace.
    for (const at of [1, 4, Math.floor(whole.tokens / 2), whole.tokens - 2]) {
      plan.set(seed, [at]);
      asker.told.length = 0;
      const answer = await asker.ask({ sampler: more, seed, extra });
      const { text, tokens, earlier, provider, verification } = answer;
      assert.deepEqual([shown(asker), text, tokens, plan.left], [whole.text, whole.text, whole.tokens, 0], `${at}`);
      assert.deepEqual([earlier[0]?.provider, earlier[0]?.tokens, provider], [first, at, second]);
      assert.deepEqual([verification.result, verification.tier], ['pass', 'exact'], answer.why ?? '');
    }
  });

  it('without the model is inconclusive: nobody opened the part that was cut off', async (context) => {
    const { plan, providers } = await startMarket(context, 2);
    const asker = await startAsker(context, { providers });
    const seed = seedOfNumber(1n);
    plan.set(seed, [40]);
    const { verification, earlier, why } = await asker.ask({ sampler, seed });
    assert.deepEqual([verification.result, verification.tier, verification.count], ['inconclusive', 'sampling', 16]);
    assert.deepEqual([earlier[0]?.verification?.result, earlier[0]?.verification?.count], ['inconclusive', 0]);
    assert.match(why ?? '', /./);
  });

  it('counts as broken off, not as cheating, for the provider that was lost', async (context) => {
    const { plan, providers, asker } = await startMarket(context, 2);
    const seed = seedOfNumber(1n);
    plan.set(seed, [40]);
    await asker.ask({ sampler, seed });
    const [first, second] = providers.map(({ peer }) => asker.reputation.standing(peer.id));
    assert.ok(first !== undefined && second !== undefined);
    assert.deepEqual([first.aborted > 0.9, first.faults, first.served], [true, 0, 0]);
    assert.deepEqual([second.aborted, second.faults, second.served > 0.9], [0, 0, true]);
  });

  it('is continued if its provider ends it itself, whose part is checked and opened', async (context) => {
    let fails = true;
    const failing = await startProvider(context, {
      offering: { tokensPerSecond: 9_000 },
      script: {
        beforeStep: async (i) => {
          if (i === 21 && fails) throw new Error('out of memory');
        },
      },
    });
    const second = await startProvider(context, { offering: { tokensPerSecond: 1_000 } });
    const providers = [failing, second];
    const asker = await startAsker(context, { providers });
    const answer = await asker.ask({ sampler });
    fails = false;
    const again = await startAsker(context, { providers });
    assert.equal(answer.text, (await again.ask({ sampler })).text);
    // Both parts were opened: without the model, sampling is all that can be checked.
    const { result, tier, count } = answer.verification;
    assert.deepEqual([result, tier, count], ['pass', 'sampling', 32]);
    assert.deepEqual([answer.provider, answer.earlier[0]?.tokens], [second.peer.id, 21]);
    assert.notEqual(answer.earlier[0]?.receipt, null);
  });

  it('is an error with a receipt if no other provider holds the model', async (context) => {
    const { plan, asker } = await startMarket(context, 1);
    const seed = seedOfNumber(1n);
    plan.set(seed, [40]);
    await assert.rejects(
      asker.ask({ sampler, seed }),
      (error) => error instanceof QvacError && error.code === 'E_TRUNCATED' && /receipts show/.test(error.hint ?? ''),
    );
    assert.equal(asker.receipts.size, 1);
    assert.ok(asker.told.some((line) => line.startsWith('note no other provider continues the answer')));
  });
});

for (const [signal, reason] of [
  ['SIGKILL', /broke off|closed the stream/],
  ['SIGSTOP', /sent nothing for 4 s, and its connection is dead/],
] as const)
  test(`an answer outlives the process of its provider that gets ${signal}`, { timeout: 120_000 }, async (context) => {
    const lost = await startMarketProcess(context, { role: 'provider', stepMs: 20 });
    const second = await startProvider(context, { offering: { tokensPerSecond: 1 } });
    const asker = await startAsker(context, { providers: [lost, second], engines: [createScriptedEngine()] });
    let isKilled = false;
    const onText = (): void => {
      if (!isKilled) lost.child.kill(signal);
      isKilled = true;
    };
    const answer = await asker.ask({ sampler }, { onText });
    assert.deepEqual(
      [answer.provider, answer.earlier.length, answer.verification.result, answer.verification.tier],
      [second.peer.id, 1, 'pass', 'exact'],
    );
    assert.match(asker.told.find((line) => line.startsWith('because')) ?? '', reason);
    assert.equal(shown(asker), answer.text);
  });

function shown({ told }: TestAsker): string {
  return told.flatMap((line) => (line.startsWith('text ') ? [line.slice(5)] : [])).join('');
}

/** The last receipt names the job before it, and so on; those that have a head are stored. */
function checkReceipts({ receipts }: TestAsker, { receipt, earlier }: Answer): void {
  const last = receipts.get(receipt ?? assert.fail('no receipt')) ?? assert.fail('not stored');
  const { offer } = decodeReceipt(last);
  const before = earlier.at(-1);
  assert.equal(
    offer.start,
    earlier.reduce((sum, { tokens }) => sum + tokens, 0),
  );
  assert.equal(last.previous !== null, before !== undefined);
  if (before !== undefined) assert.equal(before.receipt, before.tokens > 32 ? last.previous : null);
}

test('a provider that changes its model when it is asked to continue an answer is not asked again', async (context) => {
  const plan = new BreakPlan();
  const engine = createScriptedEngine();
  const lost = await startProvider(context, {
    engine,
    offering: { tokensPerSecond: 10_000 },
    wrapPeer: (peer) => breakingPeer(peer, plan, engine.tokenizer),
  });
  const seed = seedOfNumber(1n);
  plan.set(seed, [20]);
  const peer = await startPeer(context, { role: 'provider' });
  let served: Engine = createScriptedEngine();
  const prices = { priceJob: 0, priceIn: 0, priceOut: 0, tokensPerSecond: 10 };
  const cards = createCardIssuer(
    { peer, clock: systemClock, logger: silentLogger },
    { path: null, role: 'provider', content: () => cardContentOf(served, prices) },
  );
  await cards.start();
  context.after(() => cards.stop());
  const offered: string[] = [];
  await peer.handle(jobProtocol, async (stream) => {
    const offer = await stream.read(['offer']);
    offered.push(toHex(decodeOffer(offer?.body ?? assert.fail('no offer')).modelId));
    served = createScriptedEngine({ weights: 'another' });
    await cards.renew();
    await stream.write({ t: 'error', code: 'bad-offer', message: '' });
  });
  const asker = await startAsker(context, { providers: [lost, { address: addressOf(peer) }] });
  await assert.rejects(asker.ask({ model: null, sampler, seed }), { code: 'E_TRUNCATED' });
  assert.deepEqual(offered, [engine.facts.id]);
});
