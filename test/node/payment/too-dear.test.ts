import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { QvacError } from '../../../src/errors.ts';
import { promptTokenBound } from '../../../src/protocol/input/prompt-bound.ts';
import { startAsker } from '../../support/asking.ts';
import { startProvider, testInput, testSampler } from '../../support/market.ts';
import { paidPriceOf, startPaidProvider } from '../../support/paid.ts';
import { clientPayments, startChain, unlimitedAllowances } from '../../support/payments.ts';
import { askRouter, startRouter, type TestRouterInit } from '../../support/router.ts';
import { createScriptedEngine } from '../../support/scripted-engine.ts';

// The price of an answer through a router comes from the signed cards.

const most = paidPriceOf(promptTokenBound(testInput), testSampler.maxTokens);

async function start(context: TestContext, init: Partial<TestRouterInit> = {}) {
  const chain = await startChain(context);
  const { provider } = await startPaidProvider(context, chain);
  const { payments } = await clientPayments(context, chain);
  const allowances = await unlimitedAllowances(payments);
  const router = await startRouter(context, { providers: [provider], allowances, ...init });
  const asker = await startAsker(context, { providers: [provider] });
  return {
    router,
    provider,
    asker,
    through: { model: 'scripted', router: { target: router.address, optional: false } },
  };
}

const priceIn = (error: unknown): unknown =>
  error instanceof QvacError && error.code === 'E_TOO_DEAR' ? error.details?.priceLamports : error;

test('after too-dear, a router is asked again with the price that the person agrees to', async (context) => {
  const { router, asker, through } = await start(context);
  const refusal: unknown = await asker.ask({ ...through, maxPrice: 10 }).catch((error: unknown) => error);
  assert.equal(priceIn(refusal), most.toString());
  assert.ok(
    refusal instanceof QvacError && refusal.exitCode === 5 && /--max-price \d+, or with --yes/.test(refusal.hint ?? ''),
  );
  const { verification, router: by } = await asker.ask({ ...through, maxPrice: Number(most) });
  assert.deepEqual([verification.result, by], ['pass', router.peer.id]);
  assert.equal((await router.events.until('answered')).payment?.state, 'confirmed');
});

test('a price in a router’s message is ignored', async (context) => {
  const { asker, through } = await start(context, {
    tamper: (frame) => [frame.t === 'error' ? { ...frame, message: 'up to 1 lamports, priceLamports 1' } : frame],
  });
  const refusal: unknown = await asker.ask({ ...through, maxPrice: 10 }).catch((error: unknown) => error);
  assert.equal(priceIn(refusal), most.toString());
  assert.ok(refusal instanceof Error && !refusal.message.includes('up to 1 '));
});

test('if the router must re-execute, the prices of other models do not count', async (context) => {
  const { asker, router, through } = await start(context, { engines: [createScriptedEngine()] });
  const cheaper = await startProvider(context, {
    script: { weights: 'another', quant: 'q4_0' },
    offering: { priceIn: 1_000, priceOut: 1_000 },
  });
  for (const { discovery } of [asker, router]) await discovery.get(cheaper.address);
  const refusal: unknown = await asker
    .ask({ ...through, maxPrice: 10, verify: 'full' })
    .catch((error: unknown) => error);
  assert.equal(priceIn(refusal), most.toString());
});

test('what a provider that gave no token can be paid counts against the limit of a routed question', async (context) => {
  const chain = await startChain(context);
  const priceJob = 1_000_000;
  const failing = {
    script: { beforeStep: () => Promise.reject(new Error('out of memory')) },
    offering: { priceJob, priceIn: 0, priceOut: 0, tokensPerSecond: 100 },
  };
  const sellers = [
    await startPaidProvider(context, chain, failing),
    await startPaidProvider(context, chain, failing),
    await startPaidProvider(context, chain, failing),
  ];
  const { payments } = await clientPayments(context, chain);
  const router = await startRouter(context, {
    providers: sellers.map(({ provider }) => provider),
    allowances: await unlimitedAllowances(payments),
  });
  const { job } = await askRouter(context, router, { maxPrice: 2 * priceJob + 1 });
  const picked: string[] = [];
  await assert.rejects(
    async () => {
      for await (const news of job.frames()) if (news.t === 'picked') picked.push(news.picked.provider);
    },
    { code: 'E_FAILED' },
  );
  assert.equal(picked.length, 2);
});
