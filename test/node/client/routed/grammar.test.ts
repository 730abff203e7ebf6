import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { QvacError } from '../../../../src/errors.ts';
import { signBody } from '../../../../src/proofs/signing.ts';
import { createTranscript } from '../../../../src/proofs/transcript.ts';
import { jobIdOf, seedOfNumber } from '../../../../src/protocol/digests.ts';
import { grammarOfJsonSchema } from '../../../../src/protocol/grammar/compile/json-schema.ts';
import { encodeExtra } from '../../../../src/protocol/messages/extra.ts';
import { kinds } from '../../../../src/protocol/messages.ts';
import { decodeOffer, encodeOffer } from '../../../../src/protocol/validate.ts';
import { startAsker } from '../../../support/asking.ts';
import { BreakPlan, breakingPeer, forgivingReputation } from '../../../support/breaking.ts';
import { unmasked } from '../../../support/cheats/engines.ts';
import { fitsSchema } from '../../../support/json-schema.ts';
import { startProvider, testSampler } from '../../../support/market.ts';
import { askRouter, receiveAnswer, startRouter, type TestRouterInit } from '../../../support/router.ts';
import { createScriptedEngine } from '../../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 200 };
const schema = {
  type: 'object',
  properties: { name: { type: 'string', minLength: 20, maxLength: 30 }, age: { type: 'integer', maximum: 120 } },
  required: ['name', 'age'],
};
const rules = grammarOfJsonSchema(schema);
const stopTexts = ['never said'];

/** A provider whose process ends where `plan` says. */
async function startBreaking(context: TestContext, plan: BreakPlan, tokensPerSecond: number) {
  const engine = createScriptedEngine({ slots: 4 });
  const wrapPeer = (peer: Parameters<typeof breakingPeer>[0]) => breakingPeer(peer, plan, engine.tokenizer);
  return startProvider(context, { engine, offering: { tokensPerSecond }, wrapPeer });
}

describe('a question with a grammar through a router', () => {
  it('is answered in the grammar; with the model, the router recomputes every bit', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider], engines: [createScriptedEngine()] });
    const asker = await startAsker(context);
    const route = { target: router.address, optional: false };
    const answer = await asker.ask({ model: 'scripted', sampler, extra: { rules, stopTexts }, router: route });
    const { result, tier } = answer.verification;
    assert.deepEqual([answer.router, result, tier], [router.peer.id, 'pass', 'exact'], answer.why ?? '');
    assert.ok(fitsSchema(JSON.parse(answer.text), schema), answer.text);
    const receipt = asker.receipts.get(answer.receipt ?? assert.fail('no receipt'));
    assert.deepEqual(receipt?.grammar, rules);
  });

  it('goes on under its grammar behind a provider that is lost', async (context) => {
    const plan = new BreakPlan();
    const providers = [await startBreaking(context, plan, 9_000), await startBreaking(context, plan, 3_000)];
    const reputation = forgivingReputation();
    const router = await startRouter(context, { providers, engines: [createScriptedEngine()], reputation });
    const asker = await startAsker(context, { providers, reputation: forgivingReputation() });
    for (const [at, optional] of [
      [0, false],
      [17, false],
      [17, true],
    ] as const) {
      const seed = seedOfNumber(BigInt(at));
      const { text } = await asker.ask({ sampler, seed, extra: { rules }, verify: 'none' });
      plan.set(seed, [at]);
      const answer = await asker.ask({
        model: 'scripted',
        sampler,
        seed,
        extra: { rules },
        router: { target: router.address, optional },
      });
      const { result, tier } = answer.verification;
      assert.deepEqual([plan.left, answer.text, result, tier], [0, text, 'pass', 'exact'], answer.why ?? '');
      assert.equal(answer.earlier.length, at === 0 ? 0 : 1);
    }
  });

  it('that nobody can check is inconclusive; with the model, the person’s own machine checks it', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider] });
    const route = { target: router.address, optional: false };
    const ask = async (engines: readonly ReturnType<typeof createScriptedEngine>[]) => {
      const asker = await startAsker(context, { engines });
      return asker.ask({ model: 'scripted', sampler, extra: { rules }, router: route });
    };
    const unchecked = await ask([]);
    assert.equal(unchecked.verification.result, 'inconclusive');
    assert.match(unchecked.why ?? '', /grammar was not checked/);
    assert.deepEqual((await ask([createScriptedEngine()])).verification.tier, 'exact');
  });

  it('names a provider that ignores the grammar, by the router’s check or one’s own', async (context) => {
    const cheat = {
      engine: unmasked(createScriptedEngine()),
      createTranscript: (init: Parameters<typeof createTranscript>[0]) => createTranscript({ ...init, matcher: null }),
    };
    for (const [routerEngines, ownEngines] of [
      [[createScriptedEngine()], []],
      [[], [createScriptedEngine()]],
    ]) {
      const provider = await startProvider(context, cheat);
      const router = await startRouter(context, { providers: [provider], engines: routerEngines });
      const asker = await startAsker(context, { engines: ownEngines });
      const route = { target: router.address, optional: false };
      const answer = await asker.ask({ model: 'scripted', sampler, extra: { rules }, router: route });
      assert.deepEqual([answer.verification.result, answer.verification.faults], ['fail', ['mask-break']]);
      assert.equal(answer.atFault, provider.peer.id);
    }
  });
});

describe('a router that does not pass the grammar on', () => {
  const lies: readonly (readonly [lie: string, lying: Partial<TestRouterInit>, why: RegExp])[] = [
    ['drops it', { mishear: ({ grammar: _, ...question }) => question }, /drops the grammar/],
    [
      'has the answer follow another',
      { mishear: (question) => ({ ...question, grammar: grammarOfJsonSchema({ type: 'integer' }) }) },
      /changes the settings or the grammar/,
    ],
    [
      'shows an offer for another vocabulary',
      {
        tamper: (frame, peer) => {
          if (frame.t !== 'picked') return [frame];
          const offer = decodeOffer(frame.offer);
          const body = encodeOffer({ ...offer, sampler: { ...offer.sampler, extra: new Uint8Array(32).fill(7) } });
          return [{ ...frame, offer: body, offerSig: signBody(peer.key, kinds.offer, jobIdOf(body), body).sig }];
        },
      },
      /changes the settings or the grammar/,
    ],
  ];
  for (const [lie, lying, why] of lies) {
    it(`${lie}: is reported, not the provider`, async (context) => {
      const provider = await startProvider(context);
      const router = await startRouter(context, { providers: [provider], ...lying });
      const asked = receiveAnswer(await askRouter(context, router, { grammar: rules }));
      await assert.rejects(
        asked,
        (error) => error instanceof QvacError && error.code === 'E_BAD_PEER' && why.test(error.message),
      );
    });
  }
});

describe('a router that is sent a grammar that no provider may take', () => {
  const grammar = new Uint8Array(32);
  const bad: readonly (readonly [what: string, change: object, why: RegExp])[] = [
    ['left recursion', { grammar: [[[0]]] }, /derives no text|left-recursive/],
    ['no list of rules', { grammar: 'root ::= "a"' }, /expected a list of rules/],
    ['more than 64 KiB', { grammar: [[[...Array(40_000).fill([97, 97])]]] }, /65536 bytes/],
    [
      'one inside the settings',
      { sampler: { ...testSampler, extra: encodeExtra({ grammar, vocabDigest: grammar }) } },
      /rules travel beside it/,
    ],
  ];
  it('refuses it before any provider hears of it', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider] });
    for (const [what, change, why] of bad)
      await assert.rejects(
        receiveAnswer(await askRouter(context, router, change)),
        (error) => error instanceof QvacError && error.code === 'E_BAD_INPUT' && why.test(error.message),
        what,
      );
    assert.equal(provider.engine.slots.used, 0);
    assert.ok(router.reputation.standing(provider.peer.id).usable);
  });
});
