import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { toHex } from '../../../src/lib/bytes.ts';
import { assess } from '../../../src/proofs/checks.ts';
import { serialiseReceipt } from '../../../src/proofs/receipt.ts';
import { grammarOfJsonSchema } from '../../../src/protocol/grammar/compile/json-schema.ts';
import { breakMark } from '../../../src/protocol/input/control-text.ts';
import { finish, modes } from '../../../src/protocol/messages.ts';
import { decodeVerdict, encodeExtra } from '../../../src/protocol/validate.ts';
import { startProvider, testInput, testSampler } from '../../support/market.ts';
import { startPeer } from '../../support/peers.ts';
import { askRouter, code, receiveAnswer, startBadProvider, startRouter } from '../../support/router.ts';
import { createScriptedEngine, scriptedStop } from '../../support/scripted-engine.ts';

describe('an honest router', () => {
  it('passes an answer on, has it opened, re-executes it and signs its verdict', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider], engines: [createScriptedEngine()] });
    const answer = await receiveAnswer(await askRouter(context, router, { verify: 'full' }));

    assert.deepEqual(answer.picked, [provider.peer.id]);
    assert.equal(answer.refused, null);
    assert.equal(answer.receipt.tokens.length, 40);
    assert.equal(answer.verdict?.verdict.result, 'pass');
    assert.equal(answer.verdict.verdict.tier, 'exact');
    assert.equal(assess(answer.receipt, {}).result, 'pass');
    assert.ok(router.reputation.standing(provider.peer.id).verified > 0.9);
  });

  it('is waited for without a limit if the person sets none', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider] });
    const question = await askRouter(context, router, { timeouts: { totalMs: 2 ** 31 - 1 } });
    assert.deepEqual((await receiveAnswer(question)).picked, [provider.peer.id]);
  });

  it('keeps the same receipt as the client and gives the provider its verdict', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider], engines: [createScriptedEngine()] });
    const question = await askRouter(context, router, { verify: 'full' });
    const answer = await receiveAnswer(question);
    const { jobId } = question.job.received;
    await router.events.until('answered');
    await provider.events.until('job-verdict');

    const routers = router.receipts.get(jobId);
    assert.ok(routers !== undefined);
    assert.equal(serialiseReceipt(routers), serialiseReceipt(answer.receipt));
    const verdicts = provider.receipts.get(jobId)?.verdicts.map(({ body }) => toHex(decodeVerdict(body).verifier));
    assert.deepEqual(verdicts, [toHex(router.peer.key.publicKey)]);
  });

  it('reports no more than it checked: the opened steps, and with the tokenizer the text', async (context) => {
    const provider = await startProvider(context);
    const blind = await startRouter(context, { providers: [provider] });
    assert.equal((await receiveAnswer(await askRouter(context, blind))).verdict?.verdict.tier, 'sampling');
    const engines = [createScriptedEngine()];
    const holder = await startRouter(context, { providers: [provider], engines, auditRate: 0 });
    // Otherwise the router audits a newcomer by its own choice.
    holder.reputation.record(provider.peer.id, { kind: 'verified', lamports: 1e15 });
    const { verdict } = await receiveAnswer(await askRouter(context, holder, { verify: 'sampling' }));
    assert.equal(verdict?.verdict.tier, 'text');
    assert.equal(verdict.verdict.execClass, null);
  });

  it('re-executes statistically if its own class differs', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, {
      providers: [provider],
      engines: [createScriptedEngine({ exec: { batch: 31 } })],
    });
    const { verdict } = await receiveAnswer(await askRouter(context, router, { verify: 'full' }));
    assert.equal(verdict?.verdict.result, 'pass');
    assert.equal(verdict.verdict.tier, 'statistical');
  });

  it('passes on an answer without challenge in mode none, and calls it inconclusive', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider], engines: [createScriptedEngine()] });
    const answer = await receiveAnswer(await askRouter(context, router, { mode: modes.none }));
    assert.equal(answer.opening, null);
    assert.equal(answer.refused, null);
    assert.equal(answer.verdict?.verdict.result, 'inconclusive');
    assert.equal(assess(answer.receipt, {}).result, 'inconclusive');
  });

  it('passes the settings of the question on, and checks the answer by them', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider], engines: [createScriptedEngine()] });
    const extra = encodeExtra({ bias: [[101, 9_000]], stopTexts: ['e'] });
    const sampler = { ...testSampler, topP: 90, extra };
    const question = await askRouter(context, router, { verify: 'full', sampler });
    const { verdict, receipt, refused } = await receiveAnswer(question);
    assert.deepEqual([verdict?.verdict.result, verdict?.verdict.tier, refused], ['pass', 'exact', null]);
    assert.equal(question.job.received.final?.finish, finish.stopText);
    assert.equal(receipt.text.indexOf('e'), receipt.text.length - 1);
    assert.deepEqual(receipt.extra, extra);
  });

  it('finds the model by hex id and by name and quantisation', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider] });
    const client = await startPeer(context, { role: 'client' });
    for (const model of [provider.engine.facts.id, 'scripted/q8_0']) {
      assert.deepEqual((await receiveAnswer(await askRouter(context, router, { model }, client))).picked, [
        provider.peer.id,
      ]);
    }
  });

  it('finds an unknown provider once a client asks', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, {});
    await router.peer.connect(provider.address);
    assert.deepEqual((await receiveAnswer(await askRouter(context, router))).picked, [provider.peer.id]);
  });

  it('sends heartbeats while it re-executes', async (context) => {
    const gate = Promise.withResolvers<void>();
    const engine = createScriptedEngine();
    const held = {
      ...engine,
      open: async (...options: Parameters<typeof engine.open>) => (await gate.promise, engine.open(...options)),
    };
    const provider = await startProvider(context);
    let beats = 0;
    const router = await startRouter(context, {
      providers: [provider],
      engines: [held],
      beatMs: 10,
      tamper: (frame) => {
        // The first heartbeats may be the provider's; from the opening on they are the router's own.
        if (frame.t === 'opening') beats = 0;
        if (frame.t === 'beat' && ++beats === 3) gate.resolve();
        return [frame];
      },
    });
    const answer = await receiveAnswer(await askRouter(context, router, { verify: 'full' }));
    assert.equal(answer.verdict?.verdict.tier, 'exact');
  });

  it('selects among several providers and measures those it used', async (context) => {
    const slow = await startProvider(context, { offering: { tokensPerSecond: 1 } });
    const fast = await startProvider(context, { offering: { tokensPerSecond: 100 } });
    const router = await startRouter(context, { providers: [slow, fast] });
    assert.deepEqual((await receiveAnswer(await askRouter(context, router))).picked, [fast.peer.id]);
    assert.notEqual(router.reputation.speed(fast.peer.id, fast.engine.facts.id), null);
    assert.equal(router.reputation.speed(slow.peer.id, slow.engine.facts.id), null);
  });

  it('answers 50 questions at once, none twice and none lost', async (context) => {
    const providers = [
      await startProvider(context, { script: { slots: 4 } }),
      await startProvider(context, { script: { slots: 4 } }),
    ];
    const router = await startRouter(context, { providers, engines: [createScriptedEngine()] });
    const clients = await Promise.all(Array.from({ length: 5 }, () => startPeer(context, { role: 'client' })));
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, at) =>
        receiveAnswer(
          await askRouter(
            context,
            router,
            { verify: 'full', sampler: { ...testSampler, maxTokens: 20, extra: new Uint8Array() } },
            clients[at % clients.length],
          ),
        ),
      ),
    );
    for (const { verdict, refused } of answers)
      assert.deepEqual([verdict?.verdict.result, verdict?.verdict.tier, refused], ['pass', 'exact', null]);
    assert.equal(new Set(answers.map(({ receipt }) => toHex(receipt.offer.sig))).size, 50);
    assert.equal(router.receipts.size, 50);
  });
});

describe('a router refuses', () => {
  it('every client that its owner did not allow', async (context) => {
    const provider = await startProvider(context);
    const owner = await startPeer(context, { role: 'client' });
    const router = await startRouter(context, { providers: [provider], serves: (peer) => peer === owner.id });
    await assert.rejects(receiveAnswer(await askRouter(context, router)), code('E_NOT_SERVED'));
    assert.equal((await receiveAnswer(await askRouter(context, router, {}, owner))).picked.length, 1);
  });

  it('with no-provider if no provider offers the model', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider] });
    await assert.rejects(receiveAnswer(await askRouter(context, router, { model: 'another' })), code('E_NO_PROVIDER'));
  });

  it('with no-model if it cannot re-execute the model, before any provider receives the input', async (context) => {
    const provider = await startProvider(context);
    for (const engines of [[], [createScriptedEngine({ weights: 'another' })]]) {
      const router = await startRouter(context, { providers: [provider], engines });
      await assert.rejects(receiveAnswer(await askRouter(context, router, { verify: 'full' })), code('E_NO_MODEL'));
    }
    assert.equal(provider.events.all.length, 0);
  });

  it('with too-dear if every offer may cost more than allowed', async (context) => {
    const provider = await startProvider(context, { offering: { priceOut: 1_000 } });
    const router = await startRouter(context, { providers: [provider] });
    await assert.rejects(receiveAnswer(await askRouter(context, router, { maxPrice: 39 })), code('E_TOO_DEAR'));
    assert.notEqual((await receiveAnswer(await askRouter(context, router, { maxPrice: 40 }))).receipt.quote, null);
  });

  it('with limit if every provider charges and it does not pay', async (context) => {
    const pay = { chain: 'solana:x', program: new Uint8Array(32), payee: new Uint8Array(32) };
    const provider = await startProvider(context, { offering: { priceOut: 1_000, pay } });
    const router = await startRouter(context, { providers: [provider] });
    await assert.rejects(receiveAnswer(await askRouter(context, router, { maxPrice: 1_000 })), code('E_LIMIT'));
  });

  it('with bad-input at once, and asks no other provider', async (context) => {
    const providers = [await startProvider(context), await startProvider(context)];
    const router = await startRouter(context, { providers, engines: [createScriptedEngine()] });
    // No provider may take the first; only who holds the model knows that of the second.
    for (const [change, refusals] of [
      [{ messages: [{ role: 'user', content: `a ${breakMark} of mine` }] }, 0],
      [{ continuation: [scriptedStop] }, 1],
    ] as const) {
      const question = await askRouter(context, router, { input: { ...testInput, ...change } });
      await assert.rejects(receiveAnswer(question), code('E_BAD_INPUT'));
      const refused = providers.flatMap(({ events }) => events.all.filter(({ event }) => event === 'refused'));
      assert.equal(refused.length, refusals);
    }
    for (const { peer } of providers) assert.equal(router.reputation.standing(peer.id).aborted, 0);
  });

  it('no input because a provider alone says that it is bad: it turns to another one', async (context) => {
    const liar = await startBadProvider(context, async (stream) => {
      await stream.read(['offer']);
      await stream.write({ t: 'error', code: 'bad-input', message: '' });
    });
    const honest = await startProvider(context);
    const router = await startRouter(context, { providers: [liar, honest], engines: [createScriptedEngine()] });
    assert.deepEqual((await receiveAnswer(await askRouter(context, router))).picked, [liar.peer.id, honest.peer.id]);
    assert.ok(router.reputation.standing(liar.peer.id).aborted > 0);
  });

  it('no provider its trust for refusing a grammar, which it may', async (context) => {
    const refusing = await startBadProvider(context, async (stream) => {
      await stream.read(['offer']);
      await stream.write({ t: 'error', code: 'bad-input', message: 'this grammar costs too much' });
    });
    const other = await startProvider(context);
    const router = await startRouter(context, { providers: [refusing, other] });
    const grammar = grammarOfJsonSchema({ type: 'boolean' });
    const { picked } = await receiveAnswer(await askRouter(context, router, { grammar }));
    assert.deepEqual(picked, [refusing.peer.id, other.peer.id]);
    assert.equal(router.reputation.standing(refusing.peer.id).aborted, 0);
  });

  it('to show one commit to the same provider twice', async (context) => {
    const provider = await startProvider(context);
    const router = await startRouter(context, { providers: [provider] });
    const secret = new Uint8Array(32).fill(9);
    await receiveAnswer(await askRouter(context, router, { secret }));
    await assert.rejects(receiveAnswer(await askRouter(context, router, { secret })), code('E_NO_PROVIDER'));
    assert.equal((await receiveAnswer(await askRouter(context, router))).picked.length, 1);
  });
});
