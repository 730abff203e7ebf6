import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import type { PeerIdString } from '../../../src/lib/types.ts';
import type { Answer } from '../../../src/node/client/answer.ts';
import { signBody } from '../../../src/proofs/signing.ts';
import { jobIdOf, seedOfNumber } from '../../../src/protocol/digests.ts';
import type { Frame } from '../../../src/protocol/frames.ts';
import { kinds, type Offer } from '../../../src/protocol/messages.ts';
import { decodeOffer, encodeOffer } from '../../../src/protocol/validate.ts';
import { startAsker, type TestAsker } from '../../support/asking.ts';
import { inBatches } from '../../support/batches.ts';
import { BreakPlan, breakingPeer, forgivingReputation } from '../../support/breaking.ts';
import { startProvider, type TestProvider, testSampler } from '../../support/market.ts';
import { startPeer, unprobed } from '../../support/peers.ts';
import { startRouter, type TestRouter, type TestRouterInit } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

const sampler = { ...testSampler, maxTokens: 64 };
const seed = seedOfNumber(1n);
/** On a loaded machine a provider may take longer than a router allows. */
const probeTimeoutMs = 30_000;
/** Every number of tokens after which an answer may break off. */
const places = Array.from({ length: sampler.maxTokens }, (_, at) => at);

interface RoutedMarket {
  readonly plan: BreakPlan;
  readonly ids: readonly PeerIdString[];
  readonly providers: readonly TestProvider[];
  readonly router: TestRouter;
  readonly asker: TestAsker;
  ask(change?: {
    readonly seed?: Uint8Array;
    readonly isOptional?: boolean;
    onText?(): Promise<void>;
  }): Promise<Answer>;
}

/** Providers of one class, the first asked first, behind a router that re-executes their answers. */
async function startMarket(
  context: TestContext,
  count: number,
  init: Partial<TestRouterInit> = {},
): Promise<RoutedMarket> {
  const plan = new BreakPlan();
  const providers: TestProvider[] = [];
  for (let at = 0; at < count; at++) {
    const engine = createScriptedEngine({ slots: 80 });
    providers.push(
      await startProvider(context, {
        engine,
        offering: { tokensPerSecond: 10_000 - 3_000 * at },
        peer: { limits: unprobed },
        wrapPeer: (peer) => breakingPeer(peer, plan, engine.tokenizer),
      }),
    );
  }
  const reputation = forgivingReputation();
  const router = await startRouter(context, {
    peer: await startPeer(context, { role: 'router', limits: unprobed }),
    providers,
    engines: [createScriptedEngine()],
    reputation,
    probeTimeoutMs,
    ...init,
  });
  const asker = await startAsker(context, {
    providers,
    reputation: forgivingReputation(),
    peer: { limits: unprobed },
  });
  return {
    plan,
    providers,
    router,
    asker,
    ids: providers.map(({ peer }) => peer.id),
    ask: ({ seed: wanted = seed, isOptional = false, onText } = {}) =>
      asker.ask(
        { model: 'scripted', sampler, seed: wanted, router: { target: router.address, optional: isOptional } },
        onText === undefined ? {} : { onText },
      ),
  };
}

/** Asks for one answer for each place at which it may break, many at once. */
async function startWide(context: TestContext, count: number) {
  const market = await startMarket(context, count);
  const { providers } = market;
  const routerPlan = new BreakPlan();
  const { tokenizer } = createScriptedEngine();
  const startOne = async () => {
    const reputation = forgivingReputation();
    const asker = await startAsker(context, { providers, reputation, peer: { limits: unprobed } });
    const node = await startPeer(context, { role: 'router', limits: unprobed });
    const peer = breakingPeer(node, routerPlan, tokenizer);
    return {
      asker,
      router: await startRouter(context, {
        peer,
        providers,
        engines: [createScriptedEngine()],
        reputation,
        probeTimeoutMs,
      }),
    };
  };
  // A node serves another a limited number of jobs at once.
  const lines = await Promise.all([1, 2, 3, 4].map(startOne));
  const askAll = (
    ask: (line: (typeof lines)[number], seed: Uint8Array) => Promise<Answer>,
  ): Promise<readonly Answer[]> =>
    inBatches(places, 16, (at) => ask(lines[at % lines.length] ?? assert.fail('no line'), seedOfNumber(BigInt(at))));
  const whole = await askAll(({ asker }, seed) => asker.ask({ sampler, seed, verify: 'none' }));
  return {
    plan: market.plan,
    routerPlan,
    texts: whole.map(({ text }) => text),
    askAll: (isOptional: boolean, verify: 'sampling' | 'full') =>
      askAll(({ asker, router }, seed) => {
        const target = { target: router.address, optional: isOptional };
        return asker.ask({ model: 'scripted', sampler, seed, verify, timeoutMs: 300_000, router: target });
      }),
  };
}

function shown({ told }: TestAsker): string {
  return told.flatMap((line) => (line.startsWith('text ') ? [line.slice(5)] : [])).join('');
}

/** Stops the router once 40 tokens were shown, before the rest of the answer is sent. */
function stopAt40(plan: BreakPlan, router: TestRouter): () => Promise<void> {
  const release = plan.hold(44);
  let pieces = 0;
  return async () => {
    if (++pieces !== 40) return;
    await router.peer.stop();
    release();
  };
}

describe('a router whose provider is lost', () => {
  it('has another one go on from the last token that it passed on, wherever that is', async (context) => {
    const { plan, ids, asker, ask, router } = await startMarket(context, 2);
    const [first, second] = ids;
    for (let at = 0; at <= sampler.maxTokens; at++) {
      const wanted = seedOfNumber(BigInt(at));
      const { text } = await asker.ask({ sampler, seed: wanted, verify: 'none' });
      plan.set(wanted, [at]);
      asker.told.length = 0;
      const answer = await ask({ seed: wanted });
      assert.equal(plan.left, 0, `${at}`);
      const { result, tier } = answer.verification;
      assert.deepEqual(
        [shown(asker), answer.text, answer.tokens, answer.provider, answer.router, result, tier],
        [text, text, 64, second, router.peer.id, 'pass', 'exact'],
      );
      assert.deepEqual(
        answer.earlier.map(({ provider, tokens }) => ({ provider, tokens })),
        at === 0 ? [] : [{ provider: first, tokens: Math.min(at, 63) }],
      );
      const receipt = asker.receipts.get(answer.receipt ?? assert.fail('no receipt'));
      assert.equal(receipt?.previous !== null, at > 0);
      if (at > 32) assert.equal(answer.earlier[0]?.receipt, receipt?.previous);
    }
    assert.ok(router.events.all.every(({ event }) => event === 'answered'));
  });

  it('twice, and tells how the answer was written', async (context) => {
    const { plan, ids, asker, ask, router } = await startMarket(context, 3);
    const { text } = await asker.ask({ sampler, seed, verify: 'none' });
    plan.set(seed, [20, 41]);
    asker.told.length = 0;
    const answer = await ask();
    assert.deepEqual([shown(asker), answer.text, answer.verification.tier], [text, text, 'exact']);
    assert.deepEqual([...answer.earlier.map(({ provider }) => provider), answer.provider], ids);
    const { lost, tries } = await router.events.until('answered');
    assert.deepEqual(
      [lost, tries],
      [
        [
          { provider: ids[0], n: 20 },
          { provider: ids[1], n: 21 },
        ],
        3,
      ],
    );
  });

  it('which ended the answer itself, with a head over all that it had sent', async (context) => {
    const failing = await startProvider(context, {
      offering: { tokensPerSecond: 1_000_000 },
      script: {
        beforeStep: async (i) => {
          if (i === 21) throw new Error('out of memory');
        },
      },
    });
    const spare = await startProvider(context);
    const { ask } = await startMarket(context, 0, { providers: [failing, spare] });
    const answer = await ask();
    assert.deepEqual(
      [answer.provider, answer.tokens, answer.verification.tier, answer.earlier[0]?.tokens],
      [spare.peer.id, 64, 'exact', 21],
    );
    assert.notEqual(answer.earlier[0]?.receipt, null);
  });

  it('and that is lost itself leaves the answer to its client, which goes on without it', async (context) => {
    for (const places of [[], [20], [40]]) {
      const { plan, ids, asker, ask, router } = await startMarket(context, 3);
      const { text } = await asker.ask({ sampler, seed, verify: 'none' });
      plan.set(seed, places);
      asker.told.length = 0;
      const onText = stopAt40(plan, router);
      const answer = await ask({ isOptional: true, onText });
      assert.deepEqual([shown(asker), answer.text, answer.router], [text, text, null]);
      assert.equal(answer.tokens, 64);
      assert.ok(ids.includes(answer.provider));
      assert.ok(answer.earlier.length >= 1 && answer.earlier.length <= 2);
      assert.notEqual(answer.verification.result, 'fail');
    }
  });

  it('and that is lost itself is an error if the person asked for this router', async (context) => {
    const { plan, asker, ask, router } = await startMarket(context, 1);
    const onText = stopAt40(plan, router);
    await assert.rejects(
      ask({ onText }),
      (error) => error instanceof QvacError && error.code === 'E_TRUNCATED' && /receipts show/.test(error.hint ?? ''),
    );
    assert.ok(!asker.told.some((line) => line.startsWith('sending provider')));
  });
});

describe('a router whose provider freezes', { concurrency: true }, () => {
  it('has another one go on, wherever that is, also if that one is lost after a token', async (context) => {
    const { plan, texts, askAll } = await startWide(context, 3);
    for (const at of places) plan.set(seedOfNumber(BigInt(at)), [at, at + 1], 'freeze', 'kill');
    // Those of a batch wait for their silent provider at once.
    for (const [at, answer] of (await askAll(false, 'full')).entries()) {
      const { text, provider, earlier, verification } = answer;
      assert.deepEqual(
        [text, verification.result, verification.tier, earlier.map(({ tokens }) => tokens)],
        // The last token is asked for again.
        [texts[at], 'pass', 'exact', at === 0 ? [1] : at === 63 ? [63, 0] : [at, 1]],
        `${at}`,
      );
      assert.ok(earlier.every((part) => part.provider !== provider));
    }
    assert.equal(plan.left, 0);
  });

  it('or is killed, and that is lost with it, leaves the answer to its client, wherever that is', async (context) => {
    const { plan, routerPlan, texts, askAll } = await startWide(context, 2);
    for (const at of places) {
      const kind = at % 2 === 0 ? 'kill' : 'freeze';
      plan.set(seedOfNumber(BigInt(at)), [at], kind);
      routerPlan.set(seedOfNumber(BigInt(at)), [at], kind);
    }
    for (const [at, answer] of (await askAll(true, 'sampling')).entries()) {
      const { text, tokens, router, verification } = answer;
      assert.deepEqual([text, tokens, router], [texts[at], 64, null], `${at}`);
      assert.notEqual(verification.result, 'fail', `${at}`);
    }
    assert.deepEqual([plan.left, routerPlan.left], [0, 0]);
  });
});

describe('a router that continues an answer otherwise than it may', () => {
  const lies: readonly (readonly [what: string, change: (offer: Offer) => Offer, why: RegExp])[] = [
    ['from another token', (offer) => ({ ...offer, start: offer.start - 1 }), /changes the start/],
    [
      'for longer than was asked',
      (offer) => ({ ...offer, sampler: { ...offer.sampler, maxTokens: 64 } }),
      /changes the length limit/,
    ],
    ['with another seed', (offer) => ({ ...offer, seed: new Uint8Array(32) }), /changes the seed/],
    ['with another continuation', (offer) => ({ ...offer, requestDigest: new Uint8Array(32) }), /changes the prompt/],
  ];
  for (const [what, change, why] of lies)
    it(`${what} is found out`, async (context) => {
      const { plan, ask } = await startMarket(context, 2, {
        tamper: (frame, { key }): readonly Frame[] => {
          if (frame.t !== 'picked') return [frame];
          const offer = decodeOffer(frame.offer);
          if (offer.start === 0) return [frame];
          const body = encodeOffer(change(offer));
          return [{ ...frame, offer: body, offerSig: signBody(key, kinds.offer, jobIdOf(body), body).sig }];
        },
      });
      plan.set(seed, [20]);
      await assert.rejects(
        ask(),
        (error) => error instanceof QvacError && error.code === 'E_BAD_PEER' && why.test(error.message),
      );
    });
});
